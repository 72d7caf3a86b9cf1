use std::path::Path;

use super::*;
use crate::llama::LlamaOptions;
use crate::task::{DataOptions, Definition, Problems, RewardKind};
use crate::tune::ResidualMode;

fn model() -> Model {
    Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q4_k.gguf")).unwrap()
}

/// A run on the user's own examples.
fn planned(search: Search, model: &Model) -> Result<Plan, PlanError> {
    let definition =
        Definition::new("sft", Problems::Data(DataOptions::new("data.jsonl")), RewardKind::Loglik);
    Plan::new(search, Objective::new(definition), model)
}

fn header(plan: Plan) -> Result<Header, PlanError> {
    plan.header(|| BaseModel { file: String::new(), bytes: 0, sha256: "00".repeat(32) })
}

#[test]
fn what_is_left_out_takes_its_default_for_what_is_tuned() {
    let model = model();
    let whole = header(planned(Search::default(), &model).unwrap()).unwrap();
    assert!(whole.tensors.len() > 4 && whole.tensors.iter().all(|tensor| tensor.rows.is_none()));
    assert_eq!((whole.task.prompts, whole.task.eval_every), (recipe::SCORED_PROMPTS, recipe::EVAL_EVERY));
    assert_eq!(whole.settings.fields().collect::<Vec<_>>(), recipe::FIELDS);
    let rows =
        planned(Search::default(), &model).unwrap().in_rows_of(&[51, 61], RowsFor::Opening, &model).unwrap();
    let rows = header(rows).unwrap();
    assert_eq!(rows.tensors.len(), 2);
    assert_eq!((rows.task.prompts, rows.task.eval_every), (recipe::ROW_PROMPTS, recipe::ROW_EVAL_EVERY));
    assert_eq!(rows.settings.fields().collect::<Vec<_>>(), recipe::ROW_FIELDS);
    let ending =
        planned(Search::default(), &model).unwrap().in_rows_of(&[2], RowsFor::Ending, &model).unwrap();
    let ending = header(ending).unwrap();
    assert_eq!((ending.task.prompts, ending.task.eval_every), (8, 3));
    assert_eq!((ending.settings.population, ending.settings.generations), (32, 5));
}

/// Before it is known that rows are tuned, the default is the one of whole tensors, which is more.
#[test]
fn candidates_are_compared_with_the_problems_that_there_will_be() {
    let model = model();
    let plan = || planned(Search { candidates: Some(4), ..Search::default() }, &model).unwrap();
    let refused = header(plan()).unwrap_err().to_string();
    assert!(refused.contains("4 candidates are no choice for 4 problems"), "{refused}");
    let rows = header(plan().in_rows_of(&[51], RowsFor::Opening, &model).unwrap()).unwrap();
    assert_eq!((rows.task.prompts, rows.task.candidates), (1, Some(4)));
}

#[test]
fn nonsense_is_told_apart_from_what_a_model_lacks() {
    let model = model();
    for (search, part) in [
        (Search { prompts: Some(0), ..Search::default() }, "--prompts is 0"),
        (
            Search { fields: Some(vec![Field::Mins]), tensors: Some("attn_(".into()), ..Search::default() },
            "--tensors",
        ),
        (
            Search { decay: Some(0.5), method: Some(crate::update::Method::Quzo), ..Search::default() },
            "--decay",
        ),
        (Search { population: Some(1), ..Search::default() }, "population is 1"),
    ] {
        let error = planned(search, &model).unwrap_err();
        assert!(error.is_misuse() && error.to_string().contains(part), "{part}: {error}");
    }
    let error = planned(Search { tensors: Some("nosuch".into()), ..Search::default() }, &model).unwrap_err();
    assert!(!error.is_misuse() && error.to_string().contains("arith-tiny"), "{error}");
}

#[test]
fn a_budget_that_is_too_small_says_what_to_do() {
    let model = model();
    let header = header(planned(Search::default(), &model).unwrap()).unwrap();
    let plan =
        |budget, residual| Memory::of(&model, &LlamaOptions::default(), budget, residual).plan(&header);
    let free = plan(None, None).unwrap();
    assert_eq!((free.mode, free.contexts), (ResidualMode::Stored, None));
    let least = plan(None, Some(ResidualMode::Replay)).unwrap().fixed;
    assert!(least < free.fixed);
    let refused = plan(Some(1_000_000), Some(ResidualMode::Stored)).unwrap_err().to_string();
    assert!(refused.contains("--mem-budget is 1.0 MB") && refused.contains("--residual replay"), "{refused}");
    assert!(plan(Some(2 * least), None).unwrap().contexts.is_some());
}

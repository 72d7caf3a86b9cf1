//! Messages between the machines of a fleet, signed and not. What is accepted is written again, and must come back the same.

use qes_gguf::fleet::{
    Announcement, Answer, FleetMessage, Hello, NodeKey, Roster, Signed, Unit, Word, WorkerReport, encode,
};

use super::{Seeds, told};

/// A key that nothing is locked with.
const KEY: &str = "SUAM3CXLPMJQ7VL5RQIS7NDDY4PUO4MRKXHHG6DUVVZAUVFLIEHPSXMBGY";

pub fn run(bytes: &[u8]) {
    decoded::<Unit>(bytes);
    decoded::<WorkerReport>(bytes);
    decoded::<Word>(bytes);
    decoded::<Announcement>(bytes);
    match Signed::<WorkerReport>::open(bytes) {
        Ok(signed) => assert!(signed.by.starts_with('U')),
        Err(error) => told(&error),
    }
    if let Err(error) = Roster::parse(&String::from_utf8_lossy(bytes)) {
        told(&error);
    }
}

fn decoded<M: FleetMessage + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    match M::decode(bytes) {
        Ok(message) => {
            let again = encode(&message).expect("a message that was read can be written");
            assert_eq!(M::decode(&again).expect("a message that was written can be read"), message);
        }
        Err(error) => told(&error),
    }
}

pub fn seeds() -> Seeds {
    let (run, chain, class) = ("a".repeat(64), "0".repeat(64), "class".to_owned());
    let unit = Unit {
        run: run.clone(),
        announced: "c".repeat(64),
        generation: 1,
        lines: 3,
        chain: chain.clone(),
        first: 2,
        end: 4,
        issue: 1,
        not_by: None,
        chosen: Some(vec![3, 1]),
    };
    let hello =
        Hello { run: run.clone(), generations: 1, digest: chain.clone(), class: class.clone(), nonce: 5 };
    let answer = Answer {
        run: run.clone(),
        announced: "c".repeat(64),
        generation: 1,
        chain,
        first: 2,
        fitness: vec![-0.5, 0.25],
        class,
        seconds: 1.5,
    };
    let word = Word::ShutOut { run, reason: "it lied".to_owned() };
    let key = NodeKey::parse(KEY).expect("a key");
    let bytes = "no message";
    vec![
        ("unit", encode(&unit).expect(bytes)),
        ("hello", encode(&WorkerReport::Hello(hello)).expect(bytes)),
        ("answer", encode(&WorkerReport::Answer(answer.clone())).expect(bytes)),
        ("word", encode(&word).expect(bytes)),
        ("signed", key.sign(&WorkerReport::Answer(answer)).expect(bytes)),
        ("workers", format!("# list\n{} phone\n", key.public()).into_bytes()),
    ]
}

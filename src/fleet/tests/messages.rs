//! Foreign bytes.

use proptest::prelude::*;

use super::*;
use crate::fleet::key::Signed;
use crate::fleet::message::FleetMessage;

fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn unit() -> Unit {
    Unit {
        run: hash('a'),
        announced: hash('c'),
        generation: 3,
        lines: 5,
        chain: hash('b'),
        first: 4,
        end: 8,
        issue: 1,
        not_by: Some(NodeKey::random().public().to_owned()),
        chosen: Some(vec![1, 5]),
    }
}

fn answer(fitness: Vec<f64>) -> WorkerReport {
    let (run, announced, chain, class) = (hash('a'), hash('c'), hash('b'), CLASS.to_owned());
    WorkerReport::Answer(Answer {
        run,
        announced,
        generation: 3,
        chain,
        first: 4,
        fitness,
        class,
        seconds: 0.5,
    })
}

#[test]
fn messages_come_back_as_they_were() {
    let unit = unit();
    assert_eq!(Unit::decode(&encode(&unit).unwrap()).unwrap(), unit);
    // Every bit of a fitness counts.
    for fitness in [0.1, -1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, -0.0, 5e-324] {
        let WorkerReport::Answer(told) =
            WorkerReport::decode(&encode(&answer(vec![fitness])).unwrap()).unwrap()
        else {
            panic!("another report")
        };
        assert_eq!(told.fitness[0].to_bits(), fitness.to_bits());
    }
}

#[test]
fn nonsense_is_refused() {
    let units = [
        Unit { run: "a".to_owned(), ..unit() },
        Unit { chain: hash('G'), ..unit() },
        Unit { first: 8, ..unit() },
        Unit { first: 9, ..unit() },
        Unit { end: u32::MAX, ..unit() },
        Unit { not_by: Some("U".repeat(5000)), ..unit() },
        Unit { chosen: Some(vec![0; 100_000]), ..unit() },
    ];
    for unit in units {
        assert!(matches!(Unit::decode(&encode(&unit).unwrap()), Err(MessageError::Nonsense(_))), "{unit:?}");
    }
    for fitness in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(WorkerReport::decode(&encode(&answer(vec![fitness])).unwrap()).is_err());
    }
    assert!(WorkerReport::decode(&encode(&answer(Vec::new())).unwrap()).is_err());
    assert!(WorkerReport::decode(&encode(&answer(vec![0.0; 20_000])).unwrap()).is_err());
    let other =
        String::from_utf8(encode(&unit()).unwrap()).unwrap().replace("\"protocol\":2", "\"protocol\":3");
    assert!(matches!(Unit::decode(other.as_bytes()), Err(MessageError::Version(3))));
    assert!(matches!(Unit::decode(&vec![b' '; 2 << 20]), Err(MessageError::TooLong(_))));
    let deep = format!("{{\"protocol\":1,\"message\":{}", "[".repeat(100_000));
    assert!(Unit::decode(deep.as_bytes()).is_err());
}

#[test]
fn a_report_counts_only_with_the_signature_of_its_key() {
    let (key, other) = (NodeKey::random(), NodeKey::random());
    let signed = key.sign(&answer(vec![0.5])).unwrap();
    assert_eq!(Signed::<WorkerReport>::open(&signed).unwrap().by, key.public());
    let text = String::from_utf8(signed.clone()).unwrap();
    for forged in [
        text.replace(key.public(), other.public()),
        text.replace("0.5", "0.6"),
        text.replace("\"signature\":\"", "\"signature\":\"00"),
        text.replace("signature", "sign"),
    ] {
        assert_ne!(forged, text);
        assert!(Signed::<WorkerReport>::open(forged.as_bytes()).is_err(), "{forged}");
    }
    // What a server may have a key sign is no report.
    let pair = nkeys::KeyPair::from_seed(&key.seed().unwrap()).unwrap();
    let body = String::from_utf8(encode(&answer(vec![0.5])).unwrap()).unwrap();
    let signature = crate::seed_log::hex(&pair.sign(body.as_bytes()).unwrap());
    let lured = serde_json::json!({ "by": key.public(), "body": body, "signature": signature });
    assert!(Signed::<WorkerReport>::open(lured.to_string().as_bytes()).is_err());
    for at in 0..signed.len() {
        let mut bytes = signed.clone();
        bytes[at] ^= 1;
        assert!(Signed::<WorkerReport>::open(&bytes).is_err(), "byte {at} of {text}");
    }
}

#[test]
fn keys_are_read_and_nonsense_is_none() {
    let key = NodeKey::random();
    let seed = key.seed().unwrap();
    assert_eq!(NodeKey::parse(&format!(" {seed}\n")).unwrap().public(), key.public());
    for text in ["", "SU", key.public(), "SUAAAA", "é", &seed[1..], &seed.to_lowercase()] {
        assert!(NodeKey::parse(text).is_err(), "{text}");
    }
    let account = nkeys::KeyPair::new_account();
    assert!(NodeKey::parse(&account.seed().unwrap()).is_err());
    assert!(Roster::parse(&account.public_key()).is_err());
}

#[test]
fn lists_of_workers_are_read() {
    let keys: Vec<NodeKey> = (0..3).map(|_| NodeKey::random()).collect();
    let [a, b, c] = &keys[..] else { panic!() };
    let text = format!("# list\n\n{} the phone\n  {}\n", a.public(), b.public());
    let roster = Roster::parse(&text).unwrap();
    assert!(roster.has(a.public()) && roster.has(b.public()) && !roster.has(c.public()));
    assert_eq!(roster.name(a.public()), "the phone");
    assert_eq!(roster.name(b.public()), b.public()[..9]);
    let twice = format!("{text}{} again\n", a.public());
    assert!(matches!(Roster::parse(&twice), Err(RosterError::Twice { line: 5 })));
    assert!(matches!(Roster::parse("UABC x"), Err(RosterError::Key { line: 1, .. })));
    let hostile = Roster::parse(&format!("{} \x1b[2J\"}};x", a.public())).unwrap();
    assert_eq!(hostile.name(a.public()), "2Jx");
}

proptest! {
    #[test]
    fn no_bytes_make_a_message_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Unit::decode(&bytes);
        let _ = WorkerReport::decode(&bytes);
        let _ = Word::decode(&bytes);
        let _ = Announcement::decode(&bytes);
        let _ = Signed::<WorkerReport>::open(&bytes);
        let _ = Roster::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_change_of_a_message_makes_it_panic(at in 0_usize..300, byte: u8) {
        let mut bytes = encode(&unit()).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Unit::decode(&bytes);
    }
}

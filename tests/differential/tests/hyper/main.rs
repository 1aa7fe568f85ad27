//! Squall's server beside hyper's, with the same requests, made by a grammar and then broken.
//!
//! Both take a request or both refuse it; what both take has the same method, target and body for
//! both, and both keep the connection or both close it. Where they differ it is on purpose: each such
//! difference stands in a [table](differences::TABLE) with its reason and an example, in which
//! it still has to be.
//!
//! `SQUALL_CASES=1000000` has it take more cases than its usual ones, `SQUALL_SEED=7` others.

mod differences;
mod hyper_server;
mod outcome;
mod squall_server;

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use squall_properties::grammar::Conversation;

use differences::{Case, Difference, TABLE};

/// How many conversations are held.
const CASES: u64 = 20_000;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().expect("a whole number"),
        Err(_) => default,
    }
}

/// The bytes of a conversation that a number stands for (splitmix64).
fn wire(mut state: u64) -> Vec<u8> {
    let bytes: Vec<u8> = (0..200)
        .flat_map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)).to_le_bytes()
        })
        .collect();
    let conversation = Conversation::arbitrary(&mut Unstructured::new(&bytes));
    conversation
        .expect("there are bytes enough, or zeros")
        .wire()
}

/// Which entry of the table explains a difference; none if there is no difference.
fn explanation(case: &Case) -> Option<Result<&'static Difference, String>> {
    if case.squall == case.hyper {
        return None;
    }
    let known = TABLE.iter().find(|known| (known.explains)(case));
    Some(known.ok_or_else(|| {
        format!(
            "  sent   \"{}\"\n  squall {:?}\n  hyper  {:?}",
            case.wire.escape_ascii(),
            case.squall,
            case.hyper
        )
    }))
}

fn ask(hyper: &hyper_server::Server, wire: Vec<u8>) -> Case {
    Case {
        squall: squall_server::ask(&wire),
        hyper: hyper.ask(&wire),
        wire,
    }
}

#[test]
fn each_difference_that_is_listed_is_there() {
    let hyper = hyper_server::Server::new();
    for known in TABLE {
        let case = ask(&hyper, known.example.to_vec());
        match explanation(&case) {
            Some(Ok(found)) => assert_eq!(found.name, known.name, "taken for another"),
            Some(Err(case)) => panic!("{} does not explain its example:\n{case}", known.name),
            None => panic!("{}: they agree, so take it off the table", known.name),
        }
    }
}

#[test]
fn both_servers_take_the_same_but_for_what_is_listed() {
    let count = setting("SQUALL_CASES", CASES);
    let seed = setting("SQUALL_SEED", 1);
    let hyper = hyper_server::Server::new();
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for n in 0..count {
        let case = ask(
            &hyper,
            wire(seed.wrapping_mul(0x1_0000_0000).wrapping_add(n)),
        );
        taken += case.squall.seen.len() as u64;
        refused += u64::from(case.squall.is_refused);
        match explanation(&case) {
            None => {}
            Some(Ok(known)) => *met.entry(known.name).or_default() += 1,
            Some(Err(case)) => wrong.push(format!("conversation {n}\n{case}")),
        }
    }
    println!("{count} conversations: {taken} requests taken, {refused} refused");
    for (name, times) in &met {
        println!("{times:6} × {name}");
    }
    let first = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "{} are not explained:\n{first}",
        wrong.len()
    );
    assert!(taken > count / 3 && refused > count / 20, "a poor grammar");
}

//! Random scripts, written as the bytes that `script::read` reads: a failing one is a file for the corpus of the fuzz
//! target `switch` as it stands.

use huntline::entropy::Entropy;

/// How often a step is drawn, by the number of its operation, and how many bytes follow it. More of what makes calls than of
/// what ends them.
const STEPS: [(u8, usize, usize); 24] = [
    (CALL, 10, 3),
    (RING, 10, 2),
    (ANSWER, 14, 1),
    (3, 6, 2),   // refuses
    (4, 4, 1),   // hangs up
    (5, 3, 1),   // cancels
    (6, 7, 2),   // re-INVITE
    (7, 2, 2),   // what it says to re-INVITEs
    (8, 5, 1),   // INFO, UPDATE
    (9, 2, 2),   // vanishes, comes back
    (10, 3, 2),  // registers
    (12, 1, 1),  // the disk stalls, goes on
    (14, 1, 0),  // another config
    (15, 1, 0),  // a port fails
    (16, 1, 1),  // a flow breaks
    (248, 4, 2), // keys in a talk
    (247, 1, 2), // a feature code
    (ORIGINATE, 3, 2),
    (245, 2, 3), // a program hands a call on
    (REFER, 3, 2),
    (JOIN, 3, 1),
    (HOLD, 3, 2),
    (PRESS, 3, 2),
    (PASS, 18, 2),
];
const CALL: u8 = 0;
const RING: u8 = 1;
const ANSWER: u8 = 2;
const NETWORK: u8 = 11;
const PASS: u8 = 17;
const ORIGINATE: u8 = 246;
const PRESS: u8 = 249;
const REFER: u8 = 250;
const JOIN: u8 = 251;
const HOLD: u8 = 252;
/// Waits in milliseconds: within a transaction, within a ring time, past both.
const WAITS: [u16; 10] = [0, 2, 20, 100, 300, 600, 2000, 8000, 21_000, 40_000];
/// Places of the town: provider, second trunk, five phones and a second one of 12; not the stranger.
const WHO: u64 = 8;
/// Those who are called most: 12, 14, 15.
const PHONES: [u8; 3] = [3, 4, 5];
const PROVIDER: u8 = 0;
const LONGEST: u64 = 60;

/// What the first two bytes say, and the steps with the bytes of each.
pub struct Drawn {
    pub head: [u8; 2],
    pub steps: Vec<Vec<u8>>,
}

impl Drawn {
    pub fn new(chance: &mut Entropy) -> Drawn {
        let head = [chance.u64() as u8, chance.u64() as u8];
        let count = 1 + chance.below(LONGEST) as usize;
        let mut steps = vec![network(chance)];
        while steps.len() <= count {
            match chance.below(12) {
                0 => steps.extend(a_call_is_answered(chance)),
                1 => steps.extend(a_call_changes_hands(chance)),
                2 => steps.extend(a_call_is_asked_for(chance)),
                _ => steps.push(step(chance)),
            }
        }
        Drawn { head, steps }
    }

    /// As the fuzz target reads it.
    pub fn bytes(head: [u8; 2], steps: &[Vec<u8>]) -> Vec<u8> {
        [&head[..], &steps.concat()].concat()
    }
}

/// One script in three has a perfect network.
fn network(chance: &mut Entropy) -> Vec<u8> {
    match chance.below(3) {
        0 => vec![NETWORK, 0, 0, 0],
        _ => vec![NETWORK, chance.below(60) as u8, chance.below(80) as u8, chance.below(88) as u8],
    }
}

/// What chance alone would seldom put together.
fn a_call_is_answered(chance: &mut Entropy) -> Vec<Vec<u8>> {
    let phone = PHONES[chance.below(PHONES.len() as u64) as usize];
    let caller = chance.below(WHO) as u8;
    let call = vec![CALL, if chance.below(3) == 0 { caller } else { PROVIDER }, chance.u64() as u8, chance.u64() as u8];
    let mut steps = vec![call, wait(chance), vec![RING, phone, chance.u64() as u8], wait(chance)];
    steps.extend([vec![ANSWER, phone], wait(chance)]);
    steps
}

/// Handed on blindly, or after a consultation that is answered or only rings.
fn a_call_changes_hands(chance: &mut Entropy) -> Vec<Vec<u8>> {
    let mut steps = a_call_is_answered(chance);
    let by = steps[4][1];
    if chance.below(2) == 0 {
        steps.extend([vec![HOLD, by, 0], wait(chance)]);
    }
    // The colleagues stand in the same order as their places.
    let colleague = chance.below(5) as u8;
    let place = colleague + 2;
    if chance.below(2) == 0 {
        steps.extend([vec![REFER, by, colleague], wait(chance), vec![ANSWER, place]]);
    } else {
        steps.extend([vec![CALL, by, colleague, 1], wait(chance), vec![RING, place, 0], wait(chance)]);
        steps.extend([vec![ANSWER, place], wait(chance), vec![JOIN, by]]);
    }
    steps.push(wait(chance));
    steps
}

/// By a click: the colleague's phone is picked up, then it is answered outside.
fn a_call_is_asked_for(chance: &mut Entropy) -> Vec<Vec<u8>> {
    let phone = PHONES[chance.below(PHONES.len() as u64) as usize];
    let mut steps = vec![vec![ORIGINATE, phone, chance.u64() as u8], wait(chance), vec![ANSWER, phone], wait(chance)];
    let outside = chance.below(2) as u8;
    steps.extend([vec![RING, outside, chance.u64() as u8], wait(chance), vec![ANSWER, outside], wait(chance)]);
    steps
}

fn wait(chance: &mut Entropy) -> Vec<u8> {
    let [high, low] = WAITS[chance.below(WAITS.len() as u64) as usize].to_be_bytes();
    vec![PASS, high, low]
}

fn step(chance: &mut Entropy) -> Vec<u8> {
    let all: usize = STEPS.iter().map(|(_, often, _)| often).sum();
    let mut at = chance.below(all as u64) as usize;
    let (op, _, follow) = STEPS
        .into_iter()
        .find(|(_, often, _)| {
            let found = at < *often;
            at = at.saturating_sub(*often);
            found
        })
        .expect("one of them");
    if op == PASS {
        return wait(chance);
    }
    let mut bytes = vec![op];
    bytes.extend((0..follow).map(|_| chance.u64() as u8));
    // Some operations hide another behind a large place.
    if let Some(who) = bytes.get_mut(1).filter(|_| op != 8) {
        *who = chance.below(WHO) as u8;
    }
    bytes
}

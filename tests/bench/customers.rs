//! How long a customer takes to be found among a million, and how much memory a million take.
//!
//! Run with `cargo bench --bench customers`; not part of the test suite. Prints one line per figure.

use huntline::clock::Timestamp;
use huntline::customer::{CustomerIndex, Entry, Kind};
use huntline::number::PhoneNumber;

const CUSTOMERS: u64 = 1_000_000;

fn main() {
    let number = |nth: u64| PhoneNumber::from_bits(79_000_000_000 + nth * 7919 % 1_000_000_000).expect("11 digits");
    println!("read       {:.0} ns for one random read of 64 MB", random_read());
    let before = resident();
    let began = on_cpu();
    let mut index = CustomerIndex::with_capacity(CUSTOMERS as usize, CUSTOMERS as usize);
    for nth in 0..CUSTOMERS {
        let (id, name, responsible) = (nth.to_string(), format!("Customer {nth:09}"), format!("{}", 200 + nth % 40));
        let entry = Entry {
            id: &id,
            kind: Kind::ALL[(nth % 3) as usize],
            name: &name,
            numbers: &[number(nth)],
            responsible: Some(&responsible),
            changed: Timestamp::UNIX_EPOCH,
        };
        index.upsert(&entry).expect("fits");
    }
    println!(
        "load       {:.2} s for {} customers, one number each, names of 18 bytes",
        (on_cpu() - began) as f64 / 1e9,
        index.len()
    );
    println!(
        "memory     {:.1} MB by count, {:.1} MB resident",
        index.bytes() as f64 / 1e6,
        (resident() - before) as f64 / 1e6
    );

    // Asked in an order that no cache foresees.
    let asked: Vec<_> = (0..CUSTOMERS).map(|nth| number(nth * 611_953 % CUSTOMERS)).collect();
    for _ in 0..3 {
        let began = on_cpu();
        let letters: usize = asked.iter().map(|number| index.find(*number).map_or(0, |found| found.name().len())).sum();
        assert_eq!(letters, 18 * CUSTOMERS as usize);
        println!("lookup     {:.0} ns, found and its name read", (on_cpu() - began) as f64 / CUSTOMERS as f64);
    }
    let strangers: Vec<_> = asked
        .iter()
        .map(|number| PhoneNumber::from_bits(number.to_bits() - 50_000_000_000).expect("11 digits"))
        .collect();
    let began = on_cpu();
    assert_eq!(strangers.iter().filter(|number| index.find(**number).is_some()).count(), 0);
    println!("stranger   {:.0} ns", (on_cpu() - began) as f64 / CUSTOMERS as f64);

    let began = on_cpu();
    for nth in 0..1000 {
        let (id, numbers) = (nth.to_string(), [number(nth), number(nth + CUSTOMERS)]);
        let entry = Entry {
            id: &id,
            kind: Kind::ALL[(nth % 3) as usize],
            name: "Changed",
            numbers: &numbers,
            responsible: None,
            changed: Timestamp::UNIX_EPOCH,
        };
        index.upsert(&entry).expect("fits");
    }
    println!("change     {:.0} ns", (on_cpu() - began) as f64 / 1000.0);
}

/// Time that this process has spent on a processor, in nanoseconds: what others do on the machine does not count. A random
/// read of memory is printed beside, because that is what a lookup is made of.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// What one read of memory costs that no cache foresees and that waits for the one before, in nanoseconds.
fn random_read() -> f64 {
    let words: Vec<u64> = (0..8_000_000u64).map(|nth| nth.wrapping_mul(0x5851_f42d_4c95_7f2d) >> 20).collect();
    let began = on_cpu();
    let mut at = 0;
    for nth in 0..CUSTOMERS {
        at = (words[at] ^ nth.wrapping_mul(0x9e37_79b9)) as usize % words.len();
    }
    std::hint::black_box(at);
    (on_cpu() - began) as f64 / CUSTOMERS as f64
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<usize>().ok()).unwrap_or(0) * 1024
}

//! Is it the time it says: hours, deadlines and signatures live by it.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::finding::Finding;
use super::pace::SHORT;
use super::patient::Patient;
use crate::clock::Timestamp;

const SUBJECT: &str = "clock";

/// What somebody else said what time it is.
pub(super) struct Dated {
    who: String,
    /// By how many seconds they are ahead of us.
    ahead: i64,
}

impl Dated {
    /// Somebody's date, just come.
    pub(super) fn now(who: String, date: Timestamp) -> Dated {
        #[expect(clippy::disallowed_methods, reason = "what others say is compared with a real clock")]
        let ours = Timestamp::now();
        Dated { who, ahead: date.as_second() - ours.as_second() }
    }
}

/// What others say what time it is.
pub(super) type Dates = Mutex<Vec<Dated>>;

/// Dates are whole seconds, and take a moment to come.
const CLOSE_S: i64 = 5;
/// Signatures of webhooks are refused from five minutes on; hours are wrong before that.
const FAR_S: i64 = 60;

pub(super) fn look(patient: &Patient, dates: &[Dated]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = compared(dates).into_iter().collect();
    findings.push(zone(patient));
    findings.extend(synchronised());
    findings
}

/// What most of the others say; one of them alone may be wrong.
fn compared(dates: &[Dated]) -> Option<Finding> {
    let mut sorted: Vec<&Dated> = dates.iter().collect();
    sorted.sort_by_key(|dated| (dated.ahead, &dated.who));
    let middle = sorted.get(sorted.len() / 2)?;
    let others = if sorted.len() == 1 { "; nobody else says a time, so it may be theirs that is wrong" } else { "" };
    let (who, seconds) = (&middle.who, middle.ahead.abs());
    let finding = |found: String| Finding::ok(SUBJECT, "compared", found);
    let advice = "timedatectl set-ntp true; opening hours, deadlines and signatures live by this clock";
    Some(match (seconds, middle.ahead) {
        (..=CLOSE_S, _) => finding(format!("within {CLOSE_S} s of {who}")),
        (_, 1..) if seconds <= FAR_S => finding(format!("{seconds} s behind {who}{others}")).warn(advice),
        (_, 1..) => finding(format!("{seconds} s behind {who}{others}")).fail(advice),
        _ if seconds <= FAR_S => finding(format!("{seconds} s ahead of {who}{others}")).warn(advice),
        _ => finding(format!("{seconds} s ahead of {who}{others}")).fail(advice),
    })
}

fn zone(patient: &Patient) -> Finding {
    let zone = &patient.config.site.timezone;
    let name = zone.iana_name().unwrap_or("UTC");
    let local = patient.now.to_zoned(zone.clone()).strftime("%a %H:%M");
    Finding::ok(SUBJECT, "time zone", format!("{name}, it is {local} there"))
}

/// Whether something keeps the clock right, as far as the system says.
fn synchronised() -> Option<Finding> {
    let said = timedatectl()?;
    let finding = |found: &str| Finding::ok(SUBJECT, "NTP", found);
    match said.trim() {
        "yes" => Some(finding("the system keeps it right")),
        "no" => Some(
            finding("nothing keeps it right, as far as the system knows")
                .warn("timedatectl set-ntp true, or install chrony"),
        ),
        _ => None,
    }
}

fn timedatectl() -> Option<String> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let (send, receive) = std::sync::mpsc::channel();
    let mut out = child.stdout.take()?;
    let reading = std::thread::Builder::new().spawn(move || drop(send.send(std::io::read_to_string(&mut out))));
    let said = reading.ok().and_then(|_| receive.recv_timeout(SHORT / 3).ok());
    // Where it hangs, it is not waited for.
    _ = child.kill();
    _ = child.wait();
    said?.ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn the_clock_is_compared_with_what_most_of_the_others_say() {
        let said = |ahead: &[i64]| {
            let dates: Vec<Dated> =
                ahead.iter().zip('a'..).map(|(ahead, who)| Dated { who: who.into(), ahead: *ahead }).collect();
            compared(&dates).map(|finding| (finding.state, finding.found))
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[1]), Some((State::Ok, "within 5 s of a".into())));
        assert_eq!(said(&[30, 0, -1]), Some((State::Ok, "within 5 s of b".into())));
        assert_eq!(said(&[30, 31]), Some((State::Warn, "31 s behind b".into())));
        let alone = "; nobody else says a time, so it may be theirs that is wrong";
        assert_eq!(said(&[-3600]), Some((State::Fail, format!("3600 s ahead of a{alone}"))));
    }
}

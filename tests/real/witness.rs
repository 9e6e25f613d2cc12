//! What a story may claim afterwards: who heard whom and since when, who said what, and what is on record.

use super::office::Office;
use super::wire::{Rtp, Seen, Sip};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Somebody who can be heard: where, and saying what.
pub type Voice = (Ipv4Addr, f64);

/// What no step of a story should need.
pub const SOON: Duration = Duration::from_secs(10);
/// What a person would call at once, in hearing.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Packets of 20 ms that make a tone surely heard.
const A_WORD: usize = 25;

/// The phone's own recording has the tone from its beginning.
pub fn assert_at_once(heard: Option<usize>) {
    assert!(heard.is_some_and(|ms| ms <= AT_ONCE.as_millis() as usize), "heard after {heard:?} ms of the recording");
}

/// When this address accepted a re-INVITE whose answer has this direction.
pub fn accepts(office: &Office, address: Ipv4Addr, direction: &str, after: Duration) -> Duration {
    let line = format!("a={direction}\r\n");
    let accepts = |m: &&Sip| *m.from.ip() == address && m.at > after && m.answers(200, "INVITE");
    let at = office.wire.wait(SOON, |seen| {
        let mut answers = seen.sip.iter().filter(accepts).filter(|m| m.text.contains(&line));
        answers.next().map(|m| m.at)
    });
    at.unwrap_or_else(|| panic!("{address} never answered with {direction}"))
}

/// When the router took this phone's hold: it answers the re-INVITE itself, `recvonly` to `sendonly` (RFC 3264 §8.4), and the
/// other side is not asked.
pub fn holds(office: &Office, holder: Ipv4Addr, after: Duration) -> Duration {
    let to_holder = |m: &Sip| *m.from.ip() == office.router && *m.to.ip() == holder && m.at > after;
    sees(office, &format!("{holder} may hold"), |m| {
        to_holder(m) && m.answers(200, "INVITE") && m.body().contains("a=recvonly\r\n")
    })
    .at
}

/// Whom `holder` holds since this moment hears music from the router, at once, and nothing of the holder any more.
pub fn assert_music(office: &Office, listener: Ipv4Addr, holder: Voice, since: Duration) {
    let music = office.wire.wait(Duration::from_secs(3), |seen| {
        let heard: Vec<_> = music(office, seen, listener, holder.1, since).collect();
        (heard.len() >= A_WORD).then(|| heard[0].at - since)
    });
    let delay = music.unwrap_or_else(|| panic!("{listener} is held and hears no music"));
    figure(office, "music after the hold", delay);
    assert!(delay <= AT_ONCE, "{listener} was held and heard music after {delay:?}");
    office.wire.look(|seen| {
        let words = seen.tone(holder.1, since + AT_ONCE).filter(|p| *p.to.ip() == listener).count();
        assert_eq!(words, 0, "{listener} is held and hears its holder");
        let asked = |m: &&Sip| *m.to.ip() == listener && m.method() == Some("INVITE") && m.in_dialog() && m.at > since;
        assert_eq!(seen.sip.iter().filter(asked).count(), 0, "{listener} is asked whether it may be held");
    });
}

/// No music any more. To be asked when the two have talked for a while after `since`.
pub fn assert_no_music(office: &Office, listener: Ipv4Addr, speaker: Voice, since: Duration) {
    office.wire.look(|seen| {
        let last = music(office, seen, listener, speaker.1, since).last().map(|packet| packet.at - since);
        figure(office, "music's last packet after the resumption", last.unwrap_or_default());
        assert!(last.is_none_or(|after| after <= AT_ONCE), "{listener} hears music {last:?} after the resumption");
    });
}

/// What the router says to this one, loud and in another voice than this.
fn music<'a>(
    office: &Office,
    seen: &'a Seen,
    listener: Ipv4Addr,
    hertz: f64,
    since: Duration,
) -> impl Iterator<Item = &'a Rtp> {
    let router = office.router;
    let from_router = move |p: &&Rtp| p.at >= since && *p.from.ip() == router && *p.to.ip() == listener;
    seen.rtp.iter().filter(from_router).filter(move |p| p.is_loud() && !p.is_tone(hertz))
}

/// Says how long something took, for whoever reads the run.
pub fn figure(office: &Office, what: &str, took: Duration) {
    println!("       {}: {what}: {:.1} ms", office.name, took.as_secs_f64() * 1000.0);
}

/// Since this moment the speaker's tone reaches the listener: from its first packet on, at once, and for a while.
///
/// "At once" counts from that moment or from the speaker's first packet, whichever is later: how fast SIPp takes a breath
/// is not the router's business.
pub fn assert_hears(office: &Office, listener: Ipv4Addr, (speaker, hertz): Voice, since: Duration) {
    let word = office.wire.wait(Duration::from_secs(3), |seen| {
        let spoken = seen.tone(hertz, since).find(|packet| *packet.from.ip() == speaker)?;
        let heard: Vec<_> = seen.tone(hertz, since).filter(|packet| *packet.to.ip() == listener).collect();
        (heard.len() >= A_WORD).then(|| ((spoken.at, spoken.sequence), (heard[0].at, heard[0].sequence)))
    });
    let (spoken, heard) = word.unwrap_or_else(|| panic!("{listener} did not hear {hertz} Hz"));
    assert_eq!(spoken.1, heard.1, "{listener} missed the first syllable of {speaker} (sequence numbers)");
    let delay = heard.0 - spoken.0;
    assert!(delay <= AT_ONCE, "{listener} heard {speaker} with a delay of {delay:?}");
}

/// From this moment on, or the speaker's next word, the listener hears it at once and for a while, whatever either of them
/// heard before.
pub fn assert_hears_soon(office: &Office, listener: Ipv4Addr, (speaker, hertz): Voice, since: Duration) {
    let word = office.wire.wait(Duration::from_secs(3), |seen| {
        let spoken = seen.tone(hertz, since).find(|packet| *packet.from.ip() == speaker)?.at;
        let heard: Vec<_> = seen.tone(hertz, since).filter(|packet| *packet.to.ip() == listener).collect();
        (heard.len() >= A_WORD).then(|| (spoken, heard[0].at))
    });
    let (spoken, heard) = word.unwrap_or_else(|| panic!("{listener} did not hear {hertz} Hz"));
    let delay = heard.saturating_sub(spoken);
    assert!(delay <= AT_ONCE, "{listener} heard {speaker} with a delay of {delay:?}");
}

/// Each of the two hears the other from this moment on.
pub fn assert_hear_soon(office: &Office, one: Voice, other: Voice, since: Duration) {
    assert_hears_soon(office, one.0, other, since);
    assert_hears_soon(office, other.0, one, since);
}

/// Nobody speaks to this address any more. To be asked when others have talked for a while.
pub fn assert_hears_nothing(office: &Office, listener: Ipv4Addr, since: Duration) {
    let late = since + AT_ONCE;
    let packets = office.wire.look(|seen| seen.rtp.iter().filter(|p| *p.to.ip() == listener && p.at > late).count());
    assert_eq!(packets, 0, "packets to {listener}, who has left");
}

/// Waits for the first message like this.
pub fn sees(office: &Office, what: &str, like: impl Fn(&Sip) -> bool) -> Sip {
    let found = office.wire.wait(SOON, |seen| seen.sip.iter().find(|m| like(m)).cloned());
    found.unwrap_or_else(|| panic!("not seen within {SOON:?}: {what}"))
}

/// Waits until this phone is told of this status of its transfer (RFC 3515 §2.4.4); returns when.
pub fn is_told(office: &Office, phone: Ipv4Addr, status: u16) -> Duration {
    let line = format!("SIP/2.0 {status}");
    sees(office, &format!("{phone} is told {status}"), |m| {
        let of_refer = m.header("Event").is_some_and(|event| event.starts_with("refer"));
        *m.to.ip() == phone && m.method() == Some("NOTIFY") && of_refer && m.body().starts_with(&line)
    })
    .at
}

/// The first INVITE to this phone since then came from this number, as far as the phone can show.
pub fn assert_shows(office: &Office, phone: Ipv4Addr, number: &str, since: Duration) {
    let invite = sees(office, &format!("{phone} is called"), |m| {
        *m.to.ip() == phone && m.method() == Some("INVITE") && !m.in_dialog() && m.at >= since
    });
    for header in ["From", "P-Asserted-Identity"] {
        let shown = invite.header(header);
        assert!(shown.is_some_and(|shown| shown.contains(number)), "{phone} is shown {header}: {shown:?}");
    }
}

/// Every call that is over, exported, plays again as it was; one that became part of another says so, and is in that one's.
pub fn assert_plays_again(office: &Office) {
    let calls = office.ask_json(&["calls"]);
    let mut played = 0;
    for call in calls.as_array().into_iter().flatten() {
        let id = call["id"].as_str().unwrap_or_default();
        let deadline = Instant::now() + SOON;
        let exported = loop {
            let exported = office.ask(&["calls", "show", id, "--trace"]);
            // The last leg may still be saying goodbye.
            let why = String::from_utf8_lossy(&exported.stderr);
            if !(why.contains("is not over") || why.contains("there is no tape")) || Instant::now() > deadline {
                break exported;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let (trace, why) = (String::from_utf8_lossy(&exported.stdout), String::from_utf8_lossy(&exported.stderr));
        if why.contains("became part of the call") {
            continue;
        }
        assert!(exported.status.success() && why.is_empty(), "call {id}: {why}");
        let file = office.config().with_file_name(format!("{id}.trace"));
        std::fs::write(&file, exported.stdout.as_slice()).expect("the office has a folder");
        let replayed = office.ask(&["replay", &file.to_string_lossy()]);
        assert!(replayed.status.success(), "{}\n{trace}", String::from_utf8_lossy(&replayed.stdout));
        played += 1;
    }
    assert!(played > 0, "no call could be played again: {calls:#}");
}

/// The one call with this number has ended, and these talked one after another.
pub fn assert_talkers(office: &Office, number: &str, expected: &[&str]) {
    let end = Instant::now() + SOON;
    loop {
        let calls = office.ask_json(&["calls", "--number", number]);
        let [call] = calls.as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("not one call of {number}: {calls}")
        };
        let call = office.ask_json(&["calls", "show", call["id"].as_str().expect("an id")]);
        if call["ended"].is_null() && Instant::now() < end {
            continue;
        }
        let talkers: Vec<&str> =
            call["talkers"].as_array().into_iter().flatten().filter_map(|talker| talker["who"].as_str()).collect();
        assert_eq!(talkers, expected, "{call:#}");
        assert!(!call["ended"].is_null(), "the call has not ended: {call:#}");
        return;
    }
}

/// Each of the two hears the other at once, from the moment on in which the second one's 200 OK was on the wire.
pub fn assert_hear(office: &Office, caller: Voice, answerer: Voice) {
    let answered = office.wire.wait(SOON, |seen| answered_by(seen, answerer.0)).expect("a 200 OK from the answerer");
    assert_hears(office, answerer.0, caller, answered);
    assert_hears(office, caller.0, answerer, answered);
}

/// When this address sent the first 200 OK to the latest INVITE that it accepted.
fn answered_by(seen: &Seen, address: Ipv4Addr) -> Option<Duration> {
    let yes = |m: &&Sip| *m.from.ip() == address && m.answers(200, "INVITE");
    let last = seen.sip.iter().rfind(yes)?;
    seen.sip.iter().find(|m| yes(m) && m.header("Call-ID") == last.header("Call-ID")).map(|m| m.at)
}

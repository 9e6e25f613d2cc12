//! What programs see that watch the office: the figures at `/metrics` agree with what happened, and with the call list.

use crate::exposition::Figures;
use crate::office::{ADA, MAIN, Office, STRANGER, exactly, until};

impl Office {
    fn figures(&self) -> Figures {
        let (head, text) = self.fetch("/metrics", &[]);
        assert!(head.starts_with("http/1.1 200"), "{head}\n{text}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        Figures::read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
    }

    /// The figures, once this holds of them; those of a second ago may be shown.
    fn figures_when(&self, what: &str, so: impl Fn(&Figures) -> bool) -> Figures {
        until(what, || Some(self.figures()).filter(|figures| so(figures)))
    }
}

#[test]
fn the_figures_agree_with_what_happened() {
    let (mut office, provider) = Office::open("figures", 9, "");
    let (ivan, olga) = (office.phone("12"), office.phone("14"));

    // Somebody rings, and is seen ringing.
    let call = provider.call(ADA, MAIN);
    let rings = ivan.rings();
    call.hears_ringing();
    let now = office.figures_when("a call that rings", |now| now.of("huntline_legs_ringing") == 1.0);
    assert_eq!(now.of("huntline_calls_in_progress{direction=\"inbound\"}"), 1.0);
    assert_eq!(now.of("huntline_trunk_calls{trunk=\"mango\"}"), 1.0);
    assert_eq!(now.of("huntline_bindings"), 2.0);
    assert_eq!(now.of("huntline_draining"), 0.0);
    call.gives_up();
    rings.stops();

    // A talk, in which the provider's side says something.
    let mut talk = provider.call(STRANGER, MAIN);
    let rings = ivan.rings();
    rings.answers();
    let there = talk.is_answered();
    talk.speaks(there, 5);
    talk.hangs_up();
    rings.is_hung_up();
    // A call out of the house that nobody answers.
    let out = olga.dial("89160000001");
    let called = provider.is_called("+79160000001");
    called.rings();
    out.hears_ringing();
    out.gives_up();
    called.stops();

    let rows = exactly("calls that are over", 3, || {
        let rows = office.lists(&["calls"]);
        rows.into_iter().filter(|row| !row["ended"].is_null()).collect()
    });
    let over = office.figures_when("three calls that are over", |now| {
        now.sum("huntline_calls_total{") == 3.0 && now.sum("huntline_calls_in_progress{") == 0.0
    });
    for (direction, outcome) in [("inbound", "missed"), ("inbound", "answered"), ("outbound", "unanswered")] {
        let sample = format!("huntline_calls_total{{direction=\"{direction}\",outcome=\"{outcome}\"}}");
        assert_eq!(over.of(&sample), 1.0, "{sample}");
    }
    let missed: Vec<_> = rows.iter().filter_map(|row| row["missed"].as_str()).collect();
    assert_eq!(missed, ["abandoned"]);
    assert_eq!(over.of("huntline_calls_missed_total{cause=\"abandoned\"}"), 1.0);
    assert_eq!(over.sum("huntline_calls_missed_total{"), 1.0);
    let talked: u64 = rows.iter().filter_map(|row| row["talk_ms"].as_u64()).sum();
    assert_eq!(over.of("huntline_talk_seconds_total"), talked as f64 / 1e3);
    // Each was in our hands and rang, one was answered.
    assert_eq!(over.of("huntline_invite_forward_seconds_count"), 3.0);
    assert_eq!(over.of("huntline_answer_seconds_count"), 1.0);
    assert_eq!(over.of("huntline_post_dial_delay_seconds_count"), 3.0);
    let promises = office.open_follow_ups().len() as f64;
    assert_eq!((over.of("huntline_follow_ups_open"), over.of("huntline_follow_ups_overdue")), (promises, 0.0));
    assert!(over.of("huntline_journal_commit_seconds_count") >= 3.0);
    assert_eq!((over.of("huntline_guarantee_suspended"), over.of("huntline_journal_pressure")), (0.0, 0.0));
    assert_eq!(over.of("huntline_database_readable"), 1.0);
    assert_eq!(over.of("huntline_outbox_letters{carrier=\"sms\",state=\"dead\"}"), 0.0);
    assert!(over.of("huntline_strangers_total{event=\"challenged\"}") >= 2.0, "each phone's first request");
    for positive in
        ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "process_max_fds"]
    {
        assert!(over.of(positive) > 0.0, "{positive}");
    }
    assert!(over.of("huntline_storage_free_bytes") <= over.of("huntline_storage_size_bytes"));
    let version = format!("huntline_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(over.of(&version), 1.0);
    // What came in at legs is known when their ports are closed.
    office.figures_when("the packets", |now| now.of("huntline_media_packets_received_total") >= 5.0);
    let up = |now: &Figures| now.of("huntline_trunk_up{trunk=\"mango\"}") == 1.0;
    let answered = office.figures_when("the trunk", up);
    assert!(answered.of("huntline_trunk_options_answered_timestamp_seconds{trunk=\"mango\"}") > 1.7e9);
    // However many numbers call, there are no more figures.
    for other in ["+79160000011", "+79160000012", "+79160000013"] {
        let call = provider.call(other, MAIN);
        let rings = ivan.rings();
        call.gives_up();
        rings.stops();
    }
    let more = office.figures_when("six calls", |now| now.sum("huntline_calls_total{") == 6.0);
    assert_eq!(more.count(), answered.count());

    // A call that a kill has cut off is counted as what the restart makes of it.
    let cut = provider.call(ADA, MAIN);
    let _rings = ivan.rings();
    cut.hears_ringing();
    office.kill();
    office.serve();
    let again = office.figures();
    assert_eq!(again.of("huntline_calls_missed_total{cause=\"system_failure\"}"), 1.0);
    assert_eq!(again.sum("huntline_calls_total{"), 1.0);
}

#[test]
fn the_figures_are_for_who_may_see_them_and_in_the_format_they_ask_for() {
    let (office, _provider) = Office::open("watchers", 10, "");
    let status = |headers: &[&str]| office.fetch("/metrics", headers).0[9..12].to_owned();
    assert_eq!(status(&[]), "200");
    // Behind a proxy on this machine everybody comes from it.
    assert_eq!(status(&["X-Forwarded-For: 192.0.2.7"]), "401");
    assert_eq!(status(&["Authorization: Bearer hl_nobody"]), "401");
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    let reads = bearer(office.token(&["--name", "prometheus", "--scope", "metrics:read"]));
    let other = bearer(office.token(&["--name", "other", "--scope", "calls:read"]));
    let own = bearer(office.token(&["--name", "own", "--scope", "metrics:read", "--user", "12"]));
    assert_eq!(status(&[&reads, "X-Forwarded-For: 192.0.2.7"]), "200");
    assert_eq!((status(&[&other]), status(&[&own])), ("403".into(), "403".into()));

    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let (head, text) = office.fetch("/metrics", &[accept]);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(text.contains("\n# TYPE huntline_calls counter\n") && text.ends_with("\n# EOF\n"), "{text}");
}

//! Floods, guesses and bad luck, in virtual time.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A guard with a clock.
struct Night {
    guard: Guard,
    now: Now,
}

impl Night {
    fn new() -> Night {
        let now = Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-24T03:00:00Z".parse().unwrap() };
        Night { guard: Guard::new(&Rules::default()), now }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// How many of so many requests at once are heard.
    fn heard(&mut self, from: &str, standing: Standing, requests: usize) -> usize {
        (0..requests).filter(|_| self.guard.hears(ip(from), standing, self.now.mono)).count()
    }

    fn fails(&mut self, from: &str, account: &str, times: usize) -> Vec<News> {
        self.offends(from, Standing::Stranger, Some(account), Offence::WrongPassword, times)
    }

    fn offends(&mut self, from: &str, who: Standing, account: Option<&str>, why: Offence, times: usize) -> Vec<News> {
        (0..times).for_each(|_| self.guard.failed(ip(from), who, account, why, self.now));
        self.guard.news().collect()
    }

    fn is_banned(&self, from: &str) -> bool {
        self.guard.is_banned(Source::of(ip(from)), self.now.mono)
    }

    fn counts(&self) -> Counts {
        self.guard.counts(self.now.mono)
    }
}

const STRANGER: &str = "203.0.113.9";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn bans(news: &[News]) -> Vec<(String, u64, u32)> {
    let ban = |news: &News| match news {
        News::Line(Suspicion::Banned { from, span, times, .. }) => Some((from.to_string(), span.as_secs(), *times)),
        News::Line(Suspicion::AccountBanned { account, span }) => Some((account.to_string(), span.as_secs(), 0)),
        _ => None,
    };
    news.iter().filter_map(ban).collect()
}

#[test]
fn one_source_gets_its_burst_and_then_its_rate_and_the_rest_of_the_world_is_heard_all_the_same() {
    let mut night = Night::new();
    assert_eq!(night.heard(STRANGER, Standing::Stranger, 5_000), 40);
    assert_eq!(night.heard("203.0.113.10", Standing::Stranger, 10), 10);
    night.pass(SECOND);
    assert_eq!(night.heard(STRANGER, Standing::Stranger, 5_000), 20);
    let counts = night.counts();
    assert_eq!((counts.heard, counts.over_limit, counts.sources), (70, 9_940, 2));
    assert!(night.guard.is_deaf_to(Source::of(ip(STRANGER)), night.now.mono));
    assert!(!night.guard.is_deaf_to(Source::of(ip("203.0.113.10")), night.now.mono));
}

#[test]
fn all_of_an_ipv6_network_is_one_source() {
    let mut night = Night::new();
    let heard = (0..1_000).map(|host| night.heard(&format!("2001:db8:1:2::{host:x}"), Standing::Stranger, 1));
    assert_eq!(heard.sum::<usize>(), 40);
    assert_eq!(night.heard("2001:db8:1:3::1", Standing::Stranger, 1), 1);
}

#[test]
fn forged_addresses_cost_a_fixed_amount_of_memory_and_no_more_answers_than_all_strangers_may_have() {
    let mut night = Night::new();
    night.fails(STRANGER, "201", 10);
    let mut heard = 0;
    for number in 0..200_000u32 {
        let from = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        heard += usize::from(night.guard.hears(from, Standing::Stranger, night.now.mono));
        night.now.mono = night.now.mono + Duration::from_micros(10);
    }
    // Two seconds: a burst of 4,000, and 2,000 in each.
    assert!((7_900..=8_000).contains(&heard), "{heard}");
    let counts = night.counts();
    assert_eq!((counts.sources, counts.replaced), (65_536, 200_001 - 65_536));
    assert!(night.is_banned(STRANGER), "a flood pushes no ban out");
}

#[test]
fn who_fails_ten_times_in_a_minute_is_banned_for_ten_minutes_and_then_four_times_as_long_up_to_a_day() {
    let mut night = Night::new();
    assert_eq!(bans(&night.fails(STRANGER, "201", 9)), []);
    for (nth, seconds) in [(1, 600), (2, 2_400), (3, 9_600), (4, 38_400), (5, 86_400), (6, 86_400)] {
        let news = night.fails(STRANGER, "202", if nth == 1 { 1 } else { 10 });
        assert!(bans(&news).contains(&(STRANGER.into(), seconds, nth)), "{nth}: {news:?}");
        assert_eq!(night.heard(STRANGER, Standing::Stranger, 3), 0);
        night.pass(Duration::from_secs(seconds - 1));
        assert!(night.is_banned(STRANGER));
        night.pass(SECOND);
        assert!(!night.is_banned(STRANGER));
        assert_eq!(night.heard(STRANGER, Standing::Stranger, 3), 3);
    }
    // A day of silence, and it begins anew; what is remembered was a fact, and so is that it is not any more.
    night.pass(25 * HOUR);
    let news = night.fails(STRANGER, "201", 10);
    assert_eq!(bans(&news), [(STRANGER.into(), 600, 1)]);
    assert!(news.iter().any(|news| matches!(news, News::Unbanned(_))));
}

#[test]
fn failures_that_are_far_apart_ban_nobody() {
    let mut night = Night::new();
    for _ in 0..100 {
        assert_eq!(bans(&night.fails(STRANGER, "201", 9)), []);
        night.pass(MINUTE + SECOND);
    }
}

#[test]
fn proving_who_it_is_takes_failures_back() {
    let mut night = Night::new();
    for _ in 0..10 {
        assert_eq!(bans(&night.fails(STRANGER, "201", 2)), []);
        night.guard.proved(ip(STRANGER), "201", night.now.mono);
    }
}

#[test]
fn an_office_whose_phones_sleep_at_night_is_not_banned_for_the_one_that_does_not() {
    let mut night = Night::new();
    night.heard(STRANGER, Standing::Stranger, 1);
    night.guard.proved(ip(STRANGER), "201", night.now.mono);
    night.pass(12 * HOUR);
    assert_eq!(bans(&night.fails(STRANGER, "202", 100)), []);
    assert!(!night.is_banned(STRANGER));
    let may =
        |night: &mut Night, account| night.guard.may_try(ip(STRANGER), Standing::Stranger, account, night.now.mono);
    assert_eq!((may(&mut night, "201"), may(&mut night, "202")), (true, false));
    // A day after the last of them it is anybody's.
    night.pass(12 * HOUR);
    assert_eq!(bans(&night.fails(STRANGER, "202", 10)), [(STRANGER.into(), 600, 1)]);
}

#[test]
fn at_an_address_of_ours_the_account_is_slowed_and_nobody_is_banned() {
    for standing in [Standing::Known, Standing::Neighbour] {
        let mut night = Night::new();
        let news = night.offends(STRANGER, standing, Some("201"), Offence::WrongPassword, 500);
        assert_eq!(bans(&news), []);
        assert!(!night.is_banned(STRANGER));
        let mut tries = |account: &str, now: Instant| {
            (0..10).filter(|_| night.guard.may_try(ip(STRANGER), standing, account, now)).count()
        };
        // The others there notice nothing; the account itself may try once in five seconds.
        let now = night.now.mono;
        assert_eq!((tries("202", now), tries("201", now)), (10, 0));
        assert_eq!([5, 10, 15].map(|seconds| tries("201", now + seconds * SECOND)), [1, 1, 1]);
        // From elsewhere it is as welcome as ever.
        assert!(night.guard.may_try(ip("203.0.113.10"), standing, "201", now));
        // With the right password all is forgiven.
        night.guard.proved(ip(STRANGER), "201", night.now.mono);
        assert!(night.guard.may_try(ip(STRANGER), standing, "201", now));
    }
}

#[test]
fn an_account_on_which_many_sources_fail_is_closed_to_strangers_whether_it_exists_or_not() {
    for (account, why) in [("201", Offence::WrongPassword), ("admin", Offence::UnknownUser)] {
        let mut night = Night::new();
        let mut news = Vec::new();
        for host in 0..6 {
            let from = format!("203.0.113.{host}");
            news.extend(night.offends(&from, Standing::Stranger, Some(account), why, 5));
        }
        assert_eq!(bans(&news), [(account.into(), 600, 0)]);
        let mut may = |standing| night.guard.may_try(ip("198.51.100.1"), standing, account, night.now.mono);
        assert_eq!([Standing::Stranger, Standing::Neighbour, Standing::Known].map(&mut may), [false, true, true]);
        // It does not grow: whoever wants an employee out has to work for it.
        night.pass(11 * MINUTE);
        let mut news = Vec::new();
        for host in 0..6 {
            news.extend(night.fails(&format!("203.0.113.{host}"), account, 5));
        }
        assert_eq!(bans(&news), [(account.into(), 600, 0)]);
    }
}

#[test]
fn calls_without_a_password_count_and_the_first_of_them_are_no_news() {
    let mut night = Night::new();
    assert_eq!(night.offends(STRANGER, Standing::Stranger, None, Offence::Call, 3), []);
    let news = night.offends(STRANGER, Standing::Stranger, None, Offence::Call, 7);
    assert_eq!(news.len(), 7 + 2, "seven failures, a fact and a ban: {news:?}");
    assert_eq!(bans(&news), [(STRANGER.into(), 600, 1)]);
    // Whose phone is beside them calls as phones do.
    assert_eq!(night.offends("203.0.113.10", Standing::Neighbour, None, Offence::Call, 100), []);
}

#[test]
fn a_ban_ends_by_hand_and_one_by_hand_lasts_until_it_is_taken_back() {
    let mut night = Night::new();
    night.fails(STRANGER, "201", 10);
    let whom = Outcast::read(STRANGER);
    assert!(night.guard.unban(&whom, night.now.mono));
    assert!(!night.guard.unban(&whom, night.now.mono));
    assert_eq!(night.heard(STRANGER, Standing::Stranger, 1), 1);
    night.guard.put(whom.clone(), Timestamp::MAX, "rings the door", night.now);
    night.pass(1_000 * HOUR);
    assert!(night.is_banned(STRANGER));
    // Ten thousand others do not push it out.
    for number in 0..10_000u32 {
        let from = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        (0..10).for_each(|_| night.guard.failed(from, Standing::Stranger, None, Offence::Call, night.now));
        assert!(night.guard.news().count() < 80);
    }
    assert!(night.is_banned(STRANGER));
    assert_eq!(night.counts().bans_now, 4_096);
    assert!(night.guard.unban(&whom, night.now.mono));
}

#[test]
fn bans_outlive_a_restart_with_what_is_left_of_them() {
    let mut night = Night::new();
    let news = night.fails(STRANGER, "201", 10);
    let ban = news.into_iter().find_map(|news| match news {
        News::Banned(ban) => Some(ban),
        _ => None,
    });
    let ban = ban.unwrap();
    let mut morning = Night::new();
    morning.now.wall = night.now.after(4 * MINUTE).wall;
    morning.guard.restore(&ban, morning.now);
    morning.pass(5 * MINUTE);
    assert!(morning.is_banned(STRANGER));
    morning.pass(MINUTE);
    assert!(!morning.is_banned(STRANGER));
    assert_eq!(bans(&morning.fails(STRANGER, "201", 10)), [(STRANGER.into(), 2_400, 2)]);
}

#[test]
fn a_flood_of_failures_fills_neither_the_log_nor_the_disk() {
    let mut night = Night::new();
    let (mut lines, mut facts) = (0, 0);
    for number in 0..100_000u32 {
        let from = IpAddr::from((0x0a00_0000 + number / 10).to_be_bytes());
        night.guard.failed(from, Standing::Stranger, Some("201"), Offence::WrongPassword, night.now);
        for news in night.guard.news() {
            match news {
                News::Line(_) => lines += 1,
                News::Banned(_) | News::Unbanned(_) => facts += 1,
            }
        }
        night.pass(Duration::from_millis(1));
    }
    // A hundred seconds: two bursts, four lines in each, and twice that some were left out.
    assert!(lines <= 100 + 4 * 100 + 2 + 4, "{lines}");
    assert!(facts <= 2 * (60 + 100 + 1), "{facts}");
    assert!(night.counts().lines_left_out > 99_000);
}

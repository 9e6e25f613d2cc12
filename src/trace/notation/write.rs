//! The notation, written: what [`Script::read`] reads back as the same.

use std::fmt::{self, Write as _};

use super::{KnownNumber, Line, Script, Setting, Spoken, Step, words};
use crate::clock::Duration;

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.title, self.setting)?;
        self.lines.iter().try_for_each(|Line { step, .. }| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(config) = &self.config {
            writeln!(f, "office")?;
            config.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        if !self.office.is_empty() {
            writeln!(f, "office     {}", self.office)?;
        }
        if let Some(clock) = self.clock {
            let clock = clock.to_zoned(jiff::tz::TimeZone::UTC);
            writeln!(f, "clock      {} UTC", clock.strftime("%Y-%m-%d %H:%M:%S%.f"))?;
        }
        self.tcp.iter().try_for_each(|peer| writeln!(f, "tcp        {peer}"))?;
        self.ipv6.iter().try_for_each(|peer| writeln!(f, "ipv6       {peer}"))?;
        for peer in &self.registered {
            writeln!(f, "registered {peer}")?;
        }
        for KnownNumber { number, name, responsible } in &self.customers {
            let responsible = responsible.as_ref().map(|who| format!(", responsible {who}"));
            writeln!(f, "customer   {} \"{name}\"{}", quoted(number), responsible.unwrap_or_default())?;
        }
        self.busy.iter().try_for_each(|who| writeln!(f, "busy       {who}"))?;
        self.before.iter().try_for_each(|words| writeln!(f, "{}", words.join(" ")))?;
        self.places.iter().try_for_each(|place| writeln!(f, "at         {}", place.write()))?;
        self.down.iter().try_for_each(|trunk| writeln!(f, "down       {trunk}"))?;
        self.counters.iter().try_for_each(|counter| writeln!(f, "counter    {counter}"))?;
        self.chance.iter().try_for_each(|chance| writeln!(f, "chance     {chance}"))?;
        if self.late > Duration::ZERO {
            writeln!(f, "late       {}", &span(self.late)[1..])?;
        }
        for (name, body) in &self.sessions {
            writeln!(f, "session    {name}")?;
            body.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Message(spoken) => write!(f, "{spoken}"),
            // A hash after a blank begins a comment.
            Step::Voice { inward: true, peer, what } => match what.strip_prefix("presses ") {
                Some(keys) => write!(f, "{peer} ~> us  presses \"{keys}\""),
                None => write!(f, "{peer} ~> us  {what}"),
            },
            Step::Voice { inward: false, peer, what } => write!(f, "us ~> {peer}  {what}"),
            Step::Pass(time) => f.write_str(&span(*time)),
            Step::Between(from, until) => write!(f, "{}..{}", span(*from), &span(*until)[1..]),
            Step::Lost(peers) => {
                let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
                write!(f, "lost {}", peers.join(", "))
            }
            Step::Fact(words) => write!(f, "fact  {words}"),
            Step::Admin(words) => write!(f, "admin {}", words.join(" ")),
            Step::Refused(words) => write!(f, "refused  {words}"),
            Step::Meanwhile(words) => write!(f, "now   {}", words.join(" ")),
            Step::Explain { from, to, answer } => {
                write!(f, "explain {} {}", quoted(from), quoted(to))?;
                answer.iter().try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers: Vec<String> = self.peers.iter().map(ToString::to_string).collect();
        let peers = peers.join(", ");
        let ends = if self.inward { format!("{peers} -> us") } else { format!("us -> {peers}") };
        let method = self.method.as_deref();
        let mut says: Vec<String> = match self.status {
            Some(status) => [Some(status.to_string()), method.map(str::to_owned)].into_iter().flatten().collect(),
            None => method.map(str::to_owned).into_iter().collect(),
        };
        says.extend(self.target.as_deref().map(quoted));
        if let Some((name, number)) = &self.from {
            says.push("from".into());
            says.extend(name.as_ref().map(|name| format!("\"{name}\"")));
            says.push(quoted(number));
        }
        if let Some(session) = &self.session {
            says.push(if self.status.is_none() { "offer" } else { "answer" }.into());
            says.push(session.clone());
        }
        says.extend(self.sdp.iter().map(|line| format!("sdp \"{line}\"")));
        says.extend(self.over_tcp.then(|| "over tcp".to_owned()));
        says.extend(self.reason.as_ref().map(|reason| format!("reason \"{reason}\"")));
        says.extend(self.again.then(|| "again".to_owned()));
        says.extend(self.authorised.then(|| "authorised".to_owned()));
        write!(f, "{ends:<18} {}", says.join(" "))?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, "\n    {name}: {value}"))?;
        if let Some(body) = &self.body {
            f.write_str("\n    --")?;
            body.lines().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        Ok(())
    }
}

/// A word that is read as one.
fn quoted(text: &str) -> String {
    let keyword =
        matches!(text, "from" | "offer" | "answer" | "reason" | "again" | "authorised" | "header" | "sdp" | "over");
    let plain = !keyword && !text.contains('#') && matches!(&words(text)[..], [word] if word == text);
    if plain { text.to_owned() } else { format!("\"{text}\"") }
}

/// `+4s`, `+250ms`, `+1234.567ms`.
fn span(time: Duration) -> String {
    let micros = time.as_micros();
    let mut text = String::from("+");
    let _ = match (micros % 1_000_000, micros % 1000) {
        (0, _) => write!(text, "{}s", micros / 1_000_000),
        (_, 0) => write!(text, "{}ms", micros / 1000),
        (_, rest) => write!(text, "{}.{rest:03}ms", micros / 1000),
    };
    text
}

//! What an admin does in a trace, and what else comes from outside the ladder: the line `admin  WORDS`.

use crate::clock::{Duration, Now, Timestamp};
use crate::config::{Config, ForwardWhen};
use crate::fact::{self, Fact, MessageState, Party, RecordingOf};
use crate::key::CallId;
use crate::servers::ServerName;
use crate::switch::{Input, Question};
use crate::trace::network::Network;
use crate::trace::notation::Peer;

/// What is to be done.
pub(super) enum Order {
    /// The core is asked, or ordered.
    Ask(Question),
    /// Something else reaches the core.
    Input(Box<Input>),
    /// The journal writes nothing for a while …
    Stall,
    /// … and goes on.
    Resume,
    /// The clock on the wall was set.
    Clock(Timestamp),
}

/// What the words of an order may lean on.
pub(super) struct Desk<'a> {
    pub(super) config: &'a Config,
    pub(super) network: &'a Network,
    pub(super) now: Now,
    /// The call of which an order speaks that names none.
    pub(super) last_call: Option<CallId>,
}

impl Desk<'_> {
    /// Reads an order.
    pub(super) fn read(&self, words: &[String]) -> Result<Order, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(question) = self.question(&words)? {
            return Ok(Order::Ask(question));
        }
        if let Some(input) = self.input(&words)? {
            return Ok(Order::Input(Box::new(input)));
        }
        match words[..] {
            ["journal", "stalls"] => Ok(Order::Stall),
            ["journal", "resumes"] => Ok(Order::Resume),
            ["clock", moment] => Ok(Order::Clock(moment.parse().map_err(|_| format!("{moment:?} is no moment"))?)),
            _ => Err(format!("an admin cannot {:?}", words.join(" "))),
        }
    }

    /// What a person asks of the core.
    fn question(&self, words: &[&str]) -> Result<Option<Question>, String> {
        let until = |text: &str| text.parse::<Timestamp>().map_err(|error| error.to_string());
        let call = |what: &str| self.last_call.ok_or_else(|| format!("there is no call to {what}"));
        Ok(Some(match *words {
            ["override", schedule, "off"] => Question::Override { schedule: schedule.into(), open: None, until: None },
            ["override", schedule, state] => {
                Question::Override { schedule: schedule.into(), open: Some(state == "open"), until: None }
            }
            ["override", schedule, state, "until", at] => {
                Question::Override { schedule: schedule.into(), open: Some(state == "open"), until: Some(until(at)?) }
            }
            ["away", extension] => Question::Away { extension: extension.into(), away: true, until: None },
            ["away", extension, "off"] => Question::Away { extension: extension.into(), away: false, until: None },
            ["forward", extension, when, to] => {
                let known = ForwardWhen::ALL.into_iter().find(|known| known.word() == when);
                let when = known.ok_or_else(|| format!("{when:?} is no word for a forward"))?;
                let to = (to != "off").then(|| to.to_owned());
                Question::Forward { extension: extension.into(), when, to }
            }
            ["block", number] => Question::Block { number: number.into(), blocked: true, note: String::new() },
            ["block", number, "off"] => Question::Block { number: number.into(), blocked: false, note: String::new() },
            ["ban", whom] => Question::Ban { whom: whom.into(), until: None, why: "by hand".into() },
            ["unban", whom] => Question::Unban { whom: whom.into() },
            ["message", file, "is", now] => Question::Message { file: file.into(), now: message_state(now)? },
            ["originate", user, to, ref how @ ..] => originate(user, to, how)?,
            ["transfer", by, to] => {
                let by = (by != "-").then(|| by.into());
                Question::Transfer { call: call("hand on")?, by, to: to.into() }
            }
            ["hang", "up"] => Question::HangUp { call: call("hang up")? },
            ["record", how @ ("on" | "off")] => Question::Record { call: call("record")?, on: how == "on" },
            _ => return Ok(None),
        }))
    }

    /// What the machine, the network or a replay says to the core.
    fn input(&self, words: &[&str]) -> Result<Option<Input>, String> {
        Ok(Some(match *words {
            ["dns", trunk, ref at @ ..] => self.resolved(trunk, at)?,
            ["late", by] => {
                let by = by.strip_suffix("ms").and_then(|count| count.parse().ok());
                Input::Late(Duration::from_millis(by.ok_or("write how late the loop is: 80ms")?))
            }
            ["pressure", state] => Input::Pressure(state == "on"),
            ["message", mailbox, file, seconds] => self.message(mailbox, file, seconds)?,
            ["counter", counter] => Input::Restore(Fact::Counted(
                serde_json::from_str(counter).map_err(|error| format!("counter: {error}"))?,
            )),
            ["chance", chance] => Input::Chance(chance.parse().map_err(|_| format!("{chance:?} is no chance"))?),
            ["end", "all"] => Input::EndAll,
            ["drain"] => Input::Drain,
            _ => return Ok(None),
        }))
    }

    /// The name of a trunk's server leads elsewhere.
    fn resolved(&self, trunk: &str, at: &[&str]) -> Result<Input, String> {
        let home = self.network.home(&Peer::read(trunk));
        let named = self.config.trunks().find(|(_, named)| self.network.addresses_of(named).contains(&home));
        let name = named.map(|(_, named)| ServerName::from(&named.server));
        let name = name.ok_or_else(|| format!("there is no trunk {trunk}"))?;
        let addresses = at.iter().map(|peer| (name.transport, self.network.home(&Peer::read(peer)))).collect();
        Ok(Input::Resolved { name, addresses })
    }

    /// Somebody has left a message.
    fn message(&self, mailbox: &str, file: &str, seconds: &str) -> Result<Input, String> {
        let seconds = seconds.strip_suffix('s').and_then(|count| count.parse::<u64>().ok());
        let seconds = seconds.ok_or("write how long somebody speaks in it: 3s")?;
        let message = fact::Recorded {
            call: CallId::new(self.now.wall, 0),
            file: file.into(),
            of: RecordingOf::Message { mailbox: mailbox.into() },
            from: Party::default(),
            began: self.now.wall,
            length_ms: seconds * 1000,
            speech_ms: seconds * 1000,
            lost_ms: 0,
            failed: None,
        };
        Ok(Input::Note(Fact::Recorded(Box::new(message))))
    }
}

fn message_state(word: &str) -> Result<MessageState, String> {
    match word {
        "new" => Ok(MessageState::New),
        "heard" => Ok(MessageState::Heard),
        "deleted" => Ok(MessageState::Deleted),
        _ => Err(format!("a message is not {word:?}")),
    }
}

/// `originate 12 +49… as +49… ref X for 20s auto-answer`
fn originate(user: &str, to: &str, mut how: &[&str]) -> Result<Question, String> {
    let (mut caller_id, mut reference, mut timeout, mut auto_answer) = (None, None, None, false);
    loop {
        how = match how {
            [] => break,
            ["as", number, rest @ ..] => {
                caller_id = Some((*number).to_owned());
                rest
            }
            ["ref", name, rest @ ..] => {
                reference = Some((*name).into());
                rest
            }
            ["for", span, rest @ ..] => {
                let seconds = span.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
                timeout = Some(seconds.ok_or("write how long the phones ring: 20s")?);
                rest
            }
            ["auto-answer", rest @ ..] => {
                auto_answer = true;
                rest
            }
            _ => return Err(format!("{:?} says nothing about a call that is asked for", how.join(" "))),
        };
    }
    Ok(Question::Originate { user: user.into(), to: to.to_owned(), caller_id, reference, timeout, auto_answer })
}

//! The story as it is told: what happens at the stand-ins, in time, and what the router wrote down about it.

use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::office::Office;
use super::router::{Router, ask};
use super::standin::{Event, Hand, Happening, Manner, Order};
use super::talk::Dial;
use super::voice::{Words, words};
use crate::cli::desk::{Trouble, say};
use crate::cli::words::{result, span};
use crate::number::PhoneNumber;
use crate::route::sentence;
use crate::store::{CallDetail, CallFilter, Reader};

/// How long a step may take before the story says that something is wrong.
const SOON: Duration = Duration::from_secs(20);
/// Between two looks at the records.
const LOOK: Duration = Duration::from_millis(100);

/// Somebody outside.
#[derive(Clone, Copy)]
pub(super) struct Customer {
    /// As the story calls them.
    pub(super) name: &'static str,
    /// In E.164.
    pub(super) number: &'static str,
    /// How high their voice is, in percent.
    pub(super) pitch: u32,
}

/// Who is there, and what happened so far.
pub(super) struct Story {
    pub(super) office: Office,
    router: Router,
    provider: Hand,
    phones: BTreeMap<&'static str, Hand>,
    happens: UnboundedReceiver<Happening>,
    began: Instant,
    /// What happened in this scene.
    seen: Vec<Happening>,
    voices: BTreeMap<u32, Words>,
    /// A machine answers in this scene.
    machine: bool,
}

impl Story {
    pub(super) fn new(
        office: Office,
        router: Router,
        provider: Hand,
        phones: BTreeMap<&'static str, Hand>,
        happens: UnboundedReceiver<Happening>,
    ) -> Story {
        let (began, seen, voices) = (Instant::now(), Vec::new(), BTreeMap::new());
        Story { office, router, provider, phones, happens, began, seen, voices, machine: false }
    }

    /// A new scene with its headline.
    pub(super) fn scene(&mut self, headline: &str) -> Result<(), Trouble> {
        self.seen.clear();
        (self.began, self.machine) = (Instant::now(), false);
        say(&format!("\n== {headline}\n"))
    }

    /// A line of the story.
    fn line(&self, text: &str) -> Result<(), Trouble> {
        say(&format!("{:5.1} s  {text}\n", self.began.elapsed().as_secs_f64()))
    }

    /// Beside a line: what the router says itself.
    fn aside(text: &str) -> Result<(), Trouble> {
        say(&format!("           {text}\n"))
    }

    /// Tells all phones how to treat calls.
    pub(super) fn behave(&self, manner: Manner) {
        self.phones.values().for_each(|phone| phone.order(Order::Behave(manner)));
    }

    /// Tells one phone.
    pub(super) fn behaves(&self, extension: &str, manner: Manner) {
        self.phone(extension, Order::Behave(manner));
    }

    fn phone(&self, extension: &str, order: Order) {
        if let Some(phone) = self.phones.get(extension) {
            phone.order(order);
        }
    }

    /// All phones register.
    pub(super) async fn register(&mut self) -> Result<(), Trouble> {
        for (extension, phone) in &self.phones {
            phone.order(Order::Register(super::office::password(extension)));
        }
        for extension in self.phones.keys().copied().collect::<Vec<_>>() {
            self.until(extension, "registers", |event| *event == Event::Registered).await?;
        }
        Ok(())
    }

    /// A customer calls the company.
    pub(super) fn call(&mut self, customer: Customer, speaks: bool) -> Result<(), Trouble> {
        let said = || words(&["digits/1", "digits/2", "digits/3", "digits/4", "digits/5", "message"], customer.pitch);
        let words = self.voices.entry(customer.pitch).or_insert_with(said).clone();
        self.line(&format!("{} ({}) calls {}", customer.name, customer.number, super::office::NUMBER))?;
        let (number, to) = (customer.number.to_owned(), super::office::NUMBER.to_owned());
        self.provider.order(Order::Call(Dial { who: customer.name.into(), number, to, words, speaks }));
        Ok(())
    }

    /// A customer begins to speak.
    pub(super) fn speak(&self, customer: Customer) -> Result<(), Trouble> {
        self.line(&format!("{} speaks", customer.name))?;
        self.provider.order(Order::Speak(customer.name.into()));
        Ok(())
    }

    /// A customer hangs up.
    pub(super) fn hang_up(&self, customer: Customer) -> Result<(), Trouble> {
        self.line(&format!("{} hangs up", customer.name))?;
        self.provider.order(Order::HangUp(customer.name.into()));
        Ok(())
    }

    /// An employee gives whom they talk with to a colleague.
    pub(super) fn transfer(&self, from: &str, to: &str) -> Result<(), Trouble> {
        self.line(&format!("{from} transfers the call to {to}"))?;
        self.phone(from, Order::Transfer(from.into(), to.to_owned()));
        Ok(())
    }

    /// Waits until this happens to this one, or finds that it has happened in this scene. `what` says it in words.
    pub(super) async fn until(
        &mut self,
        who: &str,
        what: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<(), Trouble> {
        let found = |seen: &[Happening]| seen.iter().any(|(by, event)| &**by == who && wanted(event));
        let deadline = Instant::now() + SOON;
        while !found(&self.seen) {
            match timeout_at(deadline, self.happens.recv()).await {
                Ok(Some(happening)) => self.tell(happening)?,
                _ if !self.router.runs() => return Err(Trouble::Wrong("the router has ended".into())),
                _ => {
                    let log = self.office.folder.join("router.log");
                    let why = format!("{who} {what}: that did not happen within {SOON:?}; see {}", log.display());
                    return Err(Trouble::Wrong(why));
                }
            }
        }
        Ok(())
    }

    /// The phone rings.
    pub(super) async fn rings(&mut self, who: &str) -> Result<(), Trouble> {
        self.until(who, "rings", |event| matches!(event, Event::Rings(_))).await
    }

    /// Both hear each other.
    pub(super) async fn talk(&mut self, customer: Customer, extension: &str) -> Result<(), Trouble> {
        self.until(customer.name, "hears somebody", |event| *event == Event::Hears(true)).await?;
        self.until(extension, "hears somebody", |event| *event == Event::Hears(true)).await
    }

    /// Time passes; what happens is told.
    pub(super) async fn pass(&mut self, time: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + time;
        while let Ok(Some(happening)) = timeout_at(until, self.happens.recv()).await {
            self.tell(happening)?;
        }
        Ok(())
    }

    /// A customer pricks up their ears: what they hear from now on is news.
    pub(super) fn listens_anew(&mut self, customer: Customer) {
        let hearing = |event: &Event| matches!(event, Event::Hears(_) | Event::HearsNothing);
        self.seen.retain(|(by, event)| &**by != customer.name || !hearing(event));
        self.provider.order(Order::ListenAnew(customer.name.into()));
    }

    /// In this scene a machine answers.
    pub(super) fn machine(&mut self) {
        self.machine = true;
    }

    fn tell(&mut self, (who, event): Happening) -> Result<(), Trouble> {
        // Ringing comes and goes; it is told once.
        let again = self.seen.contains(&(who.clone(), event.clone()));
        let line = match &event {
            Event::Rings(shown) => Some(format!("{who} rings; its screen says {shown:?}")),
            Event::Stops(why) if why.is_empty() => Some(format!("{who} stops ringing")),
            Event::Stops(why) => Some(format!("{who} stops ringing: {why}")),
            Event::Answers => Some(format!("{who} answers")),
            Event::Hears(true) if self.machine => Some(format!("{who} hears a machine")),
            Event::Hears(true) => Some(format!("{who} hears the other side")),
            Event::Hears(false) => Some(format!("{who} hears something while waiting")),
            Event::Refused(487) | Event::Registered | Event::Progress(_) | Event::HearsNothing | Event::Reached => None,
            Event::Refused(status) => Some(format!("{who} is told {status}")),
            Event::Left => Some(format!("{who}: the other side has hung up")),
            Event::Transferred(status) if *status < 300 => Some(format!("{who} hears that the transfer went well")),
            Event::Transferred(status) => Some(format!("{who} hears that the transfer failed ({status})")),
        };
        if let Some(line) = line.filter(|_| !again) {
            self.line(&line)?;
        }
        self.seen.push((who, event));
        Ok(())
    }

    /// Says why the customer's latest call goes where it goes.
    pub(super) async fn because(&mut self, customer: Customer) -> Result<(), Trouble> {
        let detail = self.record(customer, |_| true).await?;
        Story::aside(&format!("because {}", sentence(&detail.because)))
    }

    /// Says what stands in the record of the customer's latest call, as soon as it is over.
    pub(super) async fn ends(&mut self, customer: Customer) -> Result<(), Trouble> {
        let detail = self.record(customer, |detail| detail.row.ended.is_some()).await?;
        for turn in &detail.turns {
            Story::aside(&format!("then    {}", sentence(&turn.because)))?;
        }
        let talk = detail.row.talk_ms;
        let talk = if talk > 0 { format!(", talk {}", span(talk)) } else { String::new() };
        Story::aside(&format!("record  {}{talk}   (calls show {})", result(&detail.row), detail.row.id))
    }

    /// The customer's latest call, once it is as `wanted`.
    async fn record(
        &mut self,
        customer: Customer,
        wanted: impl Fn(&CallDetail) -> bool,
    ) -> Result<CallDetail, Trouble> {
        let number = PhoneNumber::from_digits(customer.number.trim_start_matches('+'));
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let reader = Reader::open(&self.office.data)?;
            let filter = CallFilter { number, limit: 1, ..CallFilter::default() };
            if let Some(row) = reader.calls(&filter)?.first()
                && let Some(detail) = reader.call(row.id)?.filter(&wanted)
            {
                return Ok(detail);
            }
            self.pass(LOOK).await?;
        }
        Err(Trouble::Wrong(format!("there is no such record of the call of {}", customer.name)))
    }

    /// Gives a command, shows it, and shows what it prints.
    pub(super) fn command(&self, arguments: &[&str]) -> Result<(), Trouble> {
        say(&format!("\n$ huntline {}\n", arguments.join(" ")))?;
        let output = ask(&self.office, arguments).map_err(|error| Trouble::Wrong(error.to_string()))?;
        say(&String::from_utf8_lossy(&output.stdout))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Trouble::Wrong(format!("`huntline {}` failed: {}", arguments.join(" "), why.trim())))
    }

    /// Goes on telling for ever.
    pub(super) async fn go_on(&mut self) -> Result<(), Trouble> {
        self.behave(Manner::Answer(Duration::from_millis(1500)));
        loop {
            match self.happens.recv().await {
                Some(happening) => self.tell(happening)?,
                None => sleep(SOON).await,
            }
            self.seen.clear();
        }
    }
}

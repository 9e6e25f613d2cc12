//! A day of the office, in a minute.

use tokio::time::Duration;

use super::standin::{Event, Manner};
use super::story::{Customer, Story};
use crate::cli::desk::Trouble;

const ADA: Customer = Customer { name: "Ada", number: "+447700900123", pitch: 120 };
const BORIS: Customer = Customer { name: "Boris", number: "+447700900456", pitch: 90 };
const STRANGER: Customer = Customer { name: "Stranger", number: "+447700900789", pitch: 105 };
const CARLA: Customer = Customer { name: "Carla", number: "+447700900321", pitch: 130 };
const DAVID: Customer = Customer { name: "David", number: "+447700900654", pitch: 95 };
const ERIN: Customer = Customer { name: "Erin", number: "+447700900987", pitch: 125 };
const FRANK: Customer = Customer { name: "Frank", number: "+447700900555", pitch: 85 };

/// How long people talk.
const TALK: Duration = Duration::from_millis(2500);
const QUICK: Manner = Manner::Answer(Duration::from_millis(1200));

/// All scenes, one after the other.
pub(super) async fn play(story: &mut Story) -> Result<(), Trouble> {
    known_customer(story).await?;
    stranger_and_busy(story).await?;
    nobody_answers(story).await?;
    transfer(story).await?;
    abandoned(story).await?;
    night(story).await
}

async fn known_customer(story: &mut Story) -> Result<(), Trouble> {
    story.scene("A known customer calls. Olena (202) looks after her, so only 202 rings.")?;
    story.behave(QUICK);
    story.call(ADA, true)?;
    story.rings("202").await?;
    story.because(ADA).await?;
    story.talk(ADA, "202").await?;
    story.pass(TALK).await?;
    story.hang_up(ADA)?;
    story.until("202", "is left", |event| *event == Event::Left).await?;
    story.ends(ADA).await
}

async fn stranger_and_busy(story: &mut Story) -> Result<(), Trouble> {
    story.scene("A stranger calls. Sales rings one after the other, and who rings goes on ringing.")?;
    story.behave(Manner::Ring);
    story.behaves("203", QUICK);
    story.call(STRANGER, true)?;
    story.rings("201").await?;
    story.because(STRANGER).await?;
    story.talk(STRANGER, "203").await?;
    for loser in ["201", "202"] {
        story.until(loser, "stops ringing", |event| matches!(event, Event::Stops(_))).await?;
    }

    story.scene("Meanwhile Boris calls, whose 203 is on the phone: Sales rings instead.")?;
    story.behave(QUICK);
    story.call(BORIS, true)?;
    story.rings("201").await?;
    story.because(BORIS).await?;
    story.talk(BORIS, "201").await?;
    story.pass(TALK).await?;
    story.hang_up(STRANGER)?;
    story.hang_up(BORIS)?;
    story.ends(STRANGER).await?;
    story.ends(BORIS).await
}

async fn nobody_answers(story: &mut Story) -> Result<(), Trouble> {
    story.scene("Nobody in Sales answers; after six seconds Grace (200) is rung.")?;
    story.behave(Manner::Ring);
    story.behaves("200", QUICK);
    story.call(CARLA, true)?;
    story.rings("200").await?;
    story.talk(CARLA, "200").await?;
    story.pass(TALK).await?;
    story.hang_up(CARLA)?;
    story.ends(CARLA).await
}

async fn transfer(story: &mut Story) -> Result<(), Trouble> {
    story.scene("Ivan (201) answers, and transfers the caller to Dmytro (203). It stays one call.")?;
    story.behave(QUICK);
    story.call(DAVID, true)?;
    story.talk(DAVID, "201").await?;
    story.pass(Duration::from_secs(1)).await?;
    story.transfer("201", "203")?;
    story.until("203", "answers", |event| *event == Event::Answers).await?;
    story.listens_anew(DAVID);
    story.talk(DAVID, "203").await?;
    story.pass(TALK).await?;
    story.hang_up(DAVID)?;
    story.until("203", "is left", |event| *event == Event::Left).await?;
    story.ends(DAVID).await
}

async fn abandoned(story: &mut Story) -> Result<(), Trouble> {
    story.scene("Erin hangs up before anybody answers. That is a missed call, and it has a cause.")?;
    story.behave(Manner::Ring);
    story.call(ERIN, true)?;
    story.rings("202").await?;
    story.hang_up(ERIN)?;
    story.ends(ERIN).await
}

async fn night(story: &mut Story) -> Result<(), Trouble> {
    story.scene("The office closes. Frank reaches the voicemail of Sales.")?;
    story.command(&["override", "office", "closed"])?;
    story.machine();
    story.call(FRANK, false)?;
    story.because(FRANK).await?;
    story.until(FRANK.name, "is answered", |event| *event == Event::Reached).await?;
    story.until(FRANK.name, "hears the greeting", |event| *event == Event::Hears(true)).await?;
    story.until(FRANK.name, "hears the tone", |event| *event == Event::HearsNothing).await?;
    story.speak(FRANK)?;
    story.pass(Duration::from_secs(4)).await?;
    story.hang_up(FRANK)?;
    story.ends(FRANK).await?;
    story.command(&["override", "office", "off"])
}

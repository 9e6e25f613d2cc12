//! A call and its legs: everything between the decision whom to ring and the bytes on the wire.
//!
//! `life` is the call itself, which knows no header (`life::transfer` is how it changes hands, with `handed` and `party` as its
//! words); `leg` is one side of it, which knows no plan; `alphabet` is all that they say to each other. What a leg needs to
//! act is in `means`, what an INVITE of ours says in `invitation`, who somebody is in `named`, which ports its media passes in
//! `session`, what it agreed on to notice a vanished peer in `refresh`, what it says before an answer in `provisional`, who
//! answers it while it rings in `forks`, what its keys come to in `keys`, what it says to one that takes it over in `pickup`, what is kept of a call that was asked for in `origination`, what a call keeps while the router itself speaks with its caller in `served`
//! (`life::serve` is how it does), which connections of its peers are
//! open in `streams`. A `line` is a call with what stands beside it: numbers, journal, ladder.

mod alphabet;
mod dialling;
mod forks;
mod handed;
mod invitation;
mod keys;
mod ladder;
mod leg;
mod life;
mod line;
mod means;
mod named;
mod origination;
mod party;
mod pickup;
mod provisional;
mod refresh;
mod served;
mod session;
mod silence;
mod streams;

pub use alphabet::{
    LegEvent, LegOrder, Legs, Passed, Redirected, Refused, Replaced, Session, StopReason, TransferAsked, TrunkUnfit,
    Ways, Why,
};
pub use handed::Handed;
pub use invitation::{ACCEPT, ALLOW, Invitation, MobileOf, SUPPORTED, contact, unknown_extensions};
pub use ladder::Ladder;
pub use leg::{DialogNames, Leg, Peer, Place, dismiss, session_of};
pub use life::{Call, NotHandedOn};
pub use line::{Diverter, Identity, Line, Offer};
pub use means::{Means, Opened, Timer, User};
pub use named::Named;
pub use origination::Wanted;
pub use pickup::Crossing;
pub use session::bridge;

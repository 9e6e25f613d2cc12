//! What a call leaves behind for people: pure rules, which the store carries out in the transaction of the fact itself.

pub mod assignee;
pub mod contact;
pub mod due;
pub mod follow_up;
pub mod hand;
pub mod notice;
pub mod tally;

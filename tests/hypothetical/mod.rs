//! Random offices, and peers on the wire who let the router ring in vain.

mod choices;
pub mod office;
pub mod world;

pub use choices::Choices;

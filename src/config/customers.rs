//! `[customers]`: what becomes of a number that nobody knows.

use super::read::Fields;

/// When an unknown number becomes a provisional customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Provisional {
    /// When its call was missed.
    #[default]
    OnMissed,
    /// When its call was missed or talked, or an employee called it.
    OnAny,
    /// Never.
    Never,
}

/// `[customers]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Customers {
    /// When an unknown number becomes a provisional customer, whose name is the number. Default: when its call was missed.
    pub provisional: Provisional,
}

impl Customers {
    /// Reads `[customers]`.
    pub(super) fn read(fields: Option<Fields<'_>>) -> Customers {
        let Some(fields) = fields else { return Customers::default() };
        let ways =
            [("on_missed", Provisional::OnMissed), ("on_any", Provisional::OnAny), ("never", Provisional::Never)];
        let provisional = fields.get("provisional").and_then(|spot| spot.word(&ways)).unwrap_or_default();
        fields.finish();
        Customers { provisional }
    }
}

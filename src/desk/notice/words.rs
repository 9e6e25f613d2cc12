//! What a notice says, in the language of the office.

use crate::config::Language;

/// What happened, as far as words differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// Somebody is to be called back.
    Opened,
    /// It is yours from now on.
    Given,
    /// Its time is over.
    Overdue,
    /// It has been over for so long that somebody else must act.
    Escalated,
}

/// What is said in one language.
pub(super) struct Words {
    pub(super) opened: &'static str,
    pub(super) given: &'static str,
    pub(super) overdue: &'static str,
    pub(super) escalated: &'static str,
    pub(super) customer: &'static str,
    pub(super) anonymous: &'static str,
    pub(super) called: &'static str,
    pub(super) missed: &'static str,
    pub(super) attempts: &'static str,
    pub(super) due: &'static str,
    pub(super) assignee: &'static str,
    pub(super) nobody: &'static str,
    pub(super) card: &'static str,
    pub(super) fill_in: &'static str,
    pub(super) call_back: &'static str,
    pub(super) page: &'static str,
}

const ENGLISH: Words = Words {
    opened: "Call back",
    given: "Call back, it is yours now",
    overdue: "Overdue: call back",
    escalated: "Nobody has called back",
    customer: "Customer",
    anonymous: "anonymous caller",
    called: "Called",
    missed: "Missed",
    attempts: "Missed calls",
    due: "Call back by",
    assignee: "Whose",
    nobody: "nobody's: whoever finds the time",
    card: "Card",
    fill_in: "Fill in the card: the customer is known by number only.",
    call_back: "Call",
    page: "Follow-up",
};

const RUSSIAN: Words = Words {
    opened: "Перезвоните",
    given: "Перезвоните, теперь это ваша задача",
    overdue: "Просрочено, перезвоните",
    escalated: "Так и не перезвонили",
    customer: "Клиент",
    anonymous: "неизвестный абонент",
    called: "Звонили на",
    missed: "Пропущен",
    attempts: "Пропущено звонков",
    due: "Перезвонить до",
    assignee: "Кто перезванивает",
    nobody: "никто не назначен, возьмите себе",
    card: "Карточка",
    fill_in: "Заполните карточку: о клиенте известен только номер.",
    call_back: "Позвонить",
    page: "Задача",
};

const UKRAINIAN: Words = Words {
    opened: "Передзвоніть",
    given: "Передзвоніть, тепер це ваше завдання",
    overdue: "Прострочено, передзвоніть",
    escalated: "Так і не передзвонили",
    customer: "Клієнт",
    anonymous: "невідомий абонент",
    called: "Дзвонили на",
    missed: "Пропущено",
    attempts: "Пропущено дзвінків",
    due: "Передзвонити до",
    assignee: "Хто передзвонює",
    nobody: "нікого не призначено, візьміть собі",
    card: "Картка",
    fill_in: "Заповніть картку: про клієнта відомий лише номер.",
    call_back: "Подзвонити",
    page: "Завдання",
};

impl Words {
    /// As the office's prompts speak.
    pub(super) fn of(language: Language) -> &'static Words {
        match language {
            Language::En => &ENGLISH,
            Language::Ru => &RUSSIAN,
            Language::Uk => &UKRAINIAN,
        }
    }

    /// How a notice begins.
    pub(super) fn head(&self, told: Told) -> &'static str {
        match told {
            Told::Opened => self.opened,
            Told::Given => self.given,
            Told::Overdue => self.overdue,
            Told::Escalated => self.escalated,
        }
    }
}

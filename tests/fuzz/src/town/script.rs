//! A script: what callers, phones, the network and the admin do, step by step; written by chance or read from any bytes.

/// Who takes part, by place: the provider, a second trunk, the phones of 10, 12, 14, 15, 16, a second phone of 12, a stranger.
pub const WHO: u8 = 9;
/// The first phone's place.
pub const PHONES: u8 = 2;

/// One step. `who` is a place in the town, taken modulo [`WHO`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Somebody calls: the provider one of our numbers, a phone a colleague or a number outside.
    Call { who: u8, to: u8, offer: bool },
    /// The newest INVITE at this peer gets a provisional response.
    Ring { who: u8, early: bool },
    /// The newest INVITE at this peer is answered.
    Answer { who: u8 },
    /// The newest INVITE at this peer is refused.
    Refuse { who: u8, code: u16 },
    /// A BYE in the newest dialog, even an early one.
    HangUp { who: u8 },
    /// A CANCEL of the newest call, whether it may be cancelled or not.
    Cancel { who: u8 },
    /// A re-INVITE in the newest dialog.
    Reinvite { who: u8, offer: bool },
    /// An UPDATE in the newest dialog, even an early one.
    Update { who: u8, offer: bool },
    /// Somebody takes over what rings: at that peer's newest INVITE by its name, or by a dialled code.
    PickUp { who: u8, from: u8, how: u8 },
    /// A lamp is asked for, asked for again, or (`expires` 0) put out: of an extension's calls or of the own box.
    Subscribe { who: u8, to: u8, expires: u16 },
    /// What re-INVITEs get at this peer from now on; 200 accepts.
    Mood { who: u8, code: u16 },
    /// An INFO in the newest dialog.
    Info { who: u8 },
    /// It neither hears nor speaks, until told otherwise.
    Vanish { who: u8, gone: bool },
    /// A phone registers (without credentials it is asked for them, and gives them).
    Register { who: u8, expires: u16 },
    /// The network from now on: of 256 packets so many are lost, so many come twice, and each takes up to so long.
    Network { lost: u8, doubled: u8, delay_ms: u16 },
    /// The disk stands still, or writes again.
    Journal { stalls: bool },
    /// The journal's memory is full, or has room.
    Pressure { on: bool },
    /// The router comes so late to what arrives, and has done for a while.
    Late { ms: u8 },
    /// The other of two configs takes effect.
    Configure,
    /// The newest media port cannot be bound.
    PortFails,
    /// A flow breaks.
    FlowCloses { who: u8 },
    /// Time passes.
    Pass { ms: u16 },
    /// A REFER in the newest talk, to a colleague or a number outside: a blind transfer.
    Refer { who: u8, to: u8 },
    /// A REFER in the talk before the newest, to whom the newest is with: an attended transfer.
    Join { who: u8 },
    /// A re-INVITE in the newest dialog that puts the other side on hold, or takes it back.
    Hold { who: u8, on: bool },
    /// A key is pressed at one of the open endpoints.
    Press { at: u8, key: u8 },
    /// Keys are pressed at one of the media ports that are open: a feature code in a talk, or a part of one.
    Keys { at: u8, keys: u8 },
    /// A phone dials a feature code.
    Dial { who: u8, code: u8 },
    /// A program asks for a call of the one who has this phone (click-to-call).
    Originate { who: u8, to: u8 },
    /// A program hands on one of the calls of now, for one of those who are in it, or for whoever is.
    HandOn { at: u8, by: u8, to: u8 },
    /// Any bytes arrive from this peer.
    Raw { who: u8, bytes: Vec<u8> },
}

const REFUSALS: [u16; 16] = [486, 480, 603, 600, 404, 500, 503, 302, 401, 407, 408, 481, 487, 488, 491, 699];

/// Any bytes are a script.
pub fn read(mut data: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((&op, rest)) = data.split_first() {
        data = rest;
        let mut byte = || {
            let (first, rest) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
            data = rest;
            first
        };
        steps.push(match op {
            246 => Step::Originate { who: byte() % WHO, to: byte() },
            244 => Step::Late { ms: byte() },
            245 => Step::HandOn { at: byte(), by: byte(), to: byte() },
            249 => Step::Press { at: byte(), key: byte() },
            248 => Step::Keys { at: byte(), keys: byte() },
            247 => Step::Dial { who: byte() % WHO, code: byte() },
            250 => Step::Refer { who: byte() % WHO, to: byte() },
            251 => Step::Join { who: byte() % WHO },
            252 => Step::Hold { who: byte() % WHO, on: byte() % 2 == 0 },
            254 => Step::PickUp { who: byte() % WHO, from: byte() % WHO, how: byte() },
            253 => Step::Subscribe { who: byte() % WHO, to: byte(), expires: u16::from(byte()) * 20 },
            _ => match op % 20 {
                0 => Step::Call { who: byte() % WHO, to: byte(), offer: byte() % 4 != 0 },
                1 => Step::Ring { who: byte() % WHO, early: byte() % 2 == 1 },
                2 => Step::Answer { who: byte() % WHO },
                3 => Step::Refuse { who: byte() % WHO, code: REFUSALS[usize::from(byte() % 16)] },
                4 => Step::HangUp { who: byte() % WHO },
                5 => Step::Cancel { who: byte() % WHO },
                6 => Step::Reinvite { who: byte() % WHO, offer: byte() % 4 != 0 },
                7 => Step::Mood { who: byte() % WHO, code: [200, 200, 488, 491, 481, 408][usize::from(byte() % 6)] },
                8 => match byte() {
                    who @ 0..128 => Step::Info { who: who % WHO },
                    who => Step::Update { who: who % WHO, offer: who % 4 != 0 },
                },
                9 => Step::Vanish { who: byte() % WHO, gone: byte() % 2 == 0 },
                10 => Step::Register { who: byte() % WHO, expires: u16::from(byte()) * 20 },
                11 => Step::Network { lost: byte(), doubled: byte(), delay_ms: u16::from(byte()) * 8 },
                12 => Step::Journal { stalls: byte() % 2 == 0 },
                13 => Step::Pressure { on: byte() % 2 == 0 },
                14 => Step::Configure,
                15 => Step::PortFails,
                16 => Step::FlowCloses { who: byte() % WHO },
                17 | 18 => Step::Pass { ms: u16::from_be_bytes([byte(), byte()]) },
                _ => {
                    let (who, length) = (byte() % WHO, usize::from(u16::from_be_bytes([byte(), byte()])));
                    let (bytes, rest) = data.split_at(length.min(data.len()));
                    data = rest;
                    Step::Raw { who, bytes: bytes.to_vec() }
                }
            },
        });
    }
    steps
}

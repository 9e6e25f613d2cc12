//! Both hear each other: hands the packets of one phone to the other, as they are.
//!
//! One thread of its own with non-blocking sockets, a pair for each endpoint (RTP on the even port, RTCP on the next).
//! It rewrites nothing, so codecs, DTMF, video, T.38 and SRTP pass alike, and shared ports (rtcp-mux) work as the peers
//! agree. Whose packets are believed is [`super::latch::Latch`]'s business.
//!
//! Ports are bound by whoever gives the order, before [`Relay::order`] returns: no phone can learn of a port that is not
//! there yet. Everything else happens in the relay's thread, in the order of the orders. Ports of an endpoint that is closed
//! stay bound for the next one (`resting`); what comes in there meanwhile is dropped.
//!
//! Several relays may run side by side, each with the endpoints of its own calls: an endpoint refers to nothing outside
//! its relay. Only endpoints of one relay can be bridged.

mod dialer;
mod endpoint;
mod exchange;
mod pair;
mod player;
mod resting;
mod speaking;
mod voice;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use mio::Waker;

use self::exchange::{Exchange, Listener, Order, Pair};
use self::pair::bind_pair;
use self::resting::Resting;
use crate::anchor::{MediaEvent, MediaOrder};
use crate::media::library::Library;

/// A running relay. Dropping it closes all its endpoints (without a word) and ends its thread.
pub struct Relay {
    orders: mpsc::Sender<Order>,
    waker: Waker,
    /// True where the thread will look at its orders within `LINGER`.
    awake: Arc<AtomicBool>,
    resting: Arc<Resting>,
    /// True where ports were bound that the thread may not watch yet.
    unwatched: AtomicBool,
    listener: Listener,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay that plays from `library` and keeps recordings in its folder. `listener` hears what becomes of packets
    /// and recordings, mostly in the threads of the relay; it must not block.
    ///
    /// # Errors
    /// The system has no descriptor or thread left.
    pub fn start(library: Library, listener: impl Fn(MediaEvent) + Send + Sync + 'static) -> io::Result<Relay> {
        let awake = Arc::new(AtomicBool::new(false));
        let (orders, ordered) = mpsc::channel();
        let listener: Listener = Arc::new(listener);
        let resting = Arc::new(Resting::new());
        let (exchange, waker) = Exchange::new(library, ordered, (awake.clone(), resting.clone()), listener.clone())?;
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || exchange.run())?;
        Ok(Relay { orders, waker, awake, resting, unwatched: AtomicBool::new(false), listener, thread: Some(thread) })
    }

    /// Carries an order out, or hands it to the thread that will. Ports are bound before this returns; where that fails,
    /// the listener hears [`MediaEvent::Failed`] before this returns.
    pub fn order(&self, order: MediaOrder) {
        let order = match order {
            MediaOrder::Open { endpoint, local } => match self.pair(local) {
                Ok(pair) => Order::Opened(endpoint, local, pair),
                Err(error) => return (self.listener)(MediaEvent::Failed { endpoint, local, why: error.kind() }),
            },
            order => Order::Do(order),
        };
        self.tell(order);
    }

    fn pair(&self, local: SocketAddr) -> io::Result<Pair> {
        match self.resting.take(local) {
            Some(place) => Ok(Pair::Rested(place)),
            None => {
                let pair = bind_pair(local)?;
                self.unwatched.store(true, Ordering::Relaxed);
                Ok(Pair::Fresh(pair))
            }
        }
    }

    fn tell(&self, order: Order) {
        let urgent = match &order {
            // Who is bridged may speak at once. Where the ports are watched, the first packet brings the thread.
            Order::Do(MediaOrder::Bridge { .. }) => self.unwatched.swap(false, Ordering::Relaxed),
            // Who is to hear something, or no longer, does not wait either.
            Order::Do(order) => {
                matches!(order, MediaOrder::Play { .. } | MediaOrder::Hush { .. } | MediaOrder::Dial { .. })
            }
            order => matches!(order, Order::Stop),
        };
        // Both can fail only where the thread has ended, and then there is nobody left to tell.
        let _ = self.orders.send(order);
        if !self.awake.swap(true, Ordering::AcqRel) || urgent {
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tell(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

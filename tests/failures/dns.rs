//! A DNS server that is slow: nobody waits for it, neither who needs a name of it nor who does not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::namespace;
use crate::own_address::own_address;
use crate::peers::{Outgoing, Provider, header};
use crate::router::{ADA, BOTH, Router, until};

/// Where the machine of this test asks for names.
const SERVER: &str = "127.0.0.53";

/// A trunk's server and a desk's phone are known by name, and the DNS server takes its time: as long as it says nothing, calls
/// go on as if there were no such names; what it says in the end counts from then on.
#[test]
fn while_dns_says_nothing_calls_pass_over_who_is_known_by_name_and_an_answer_that_comes_late_counts() {
    let test = "dns::while_dns_says_nothing_calls_pass_over_who_is_known_by_name_and_an_answer_that_comes_late_counts";
    let Some(folder) = namespace::inside() else {
        return namespace::again("dns", test, &["--mount", "--net"], ready);
    };
    let mut router = Router::within(folder);
    let carrier = Provider::new(own_address().into(), router.address);
    let dns = Dns::start(carrier.peer.address.ip());
    router.configured(|office| {
        office.replace("members = [\"12\", \"14\"]", "members = [\"12\", \"16\"]")
            + &format!(
                "[[trunk]]\nname = \"carrier\"\nserver = \"sip:carrier.lan:{}\"\n\
                 [[extension]]\nnumber = \"16\"\ndevices = [{{ address = \"sip:desk.lan:5070\" }}]\n\
                 [[outbound]]\nmatch = \"+44*\"\ntrunks = [\"carrier\", \"provider\"]\ncaller_id = \"+493012340\"\n\
                 [[outbound]]\nmatch = \"+45*\"\ntrunks = [\"carrier\"]\ncaller_id = \"+493012340\"\n",
                carrier.peer.address.port()
            )
    });
    router.serve();
    let phone = router.phone("12");
    until("it asks for both names", || ["carrier", "desk"].iter().all(|name| dns.was_asked(name)));

    // The next trunk takes the call,
    let call = phone.dial("+447700900123");
    let rings = router.provider.is_called("447700900123");
    rings.rings();
    call.hears_ringing();
    call.gives_up();
    rings.stops();
    // and where there is none, who calls is told so.
    refusal(&phone.dial("+4520202020"), usize::MAX).expect("it is refused");
    // Who is rung with the desk rings.
    let call = router.provider.call(ADA, BOTH);
    let rings = phone.rings();
    call.hears_ringing();
    call.gives_up();
    rings.stops();
    // All that in one question's time: the server owes its answers yet, and nobody has given it up.
    assert_eq!(dns.answered(), 0);
    assert!(!router.log().contains("means nothing now"), "{}", router.log());

    dns.answers();
    until("the carrier is called", || {
        let call = phone.dial("+4520202020");
        loop {
            if carrier.peer.hear_until("INVITE ", "4520202020", Duration::from_millis(20)).is_some() {
                return true;
            }
            if refusal(&call, 1).is_some() {
                return false;
            }
        }
    });
}

/// Hears a refusal, or not within so many looks.
fn refusal(call: &Outgoing, looks: usize) -> Option<()> {
    let refusal =
        (0..looks.min(1_000)).find_map(|_| call.peer.hear_until("SIP/2.0 5", "INVITE", Duration::from_millis(20)))?;
    call.again("ACK", header(&refusal, "To"));
    Some(())
}

/// A network with nobody in it but us, whose names are asked for at [`SERVER`]. A question may take so long that no call of this
/// test could wait for its end unnoticed.
fn ready(folder: &Path) -> String {
    let settings = folder.join("resolv.conf");
    std::fs::write(&settings, format!("nameserver {SERVER}\noptions timeout:30 attempts:5\n")).unwrap();
    format!("ip link set lo up && mount --bind {} /etc/resolv.conf", settings.display())
}

/// A DNS server that knows one address for every name (RFC 1035 §4), and says it once it is told to.
struct Dns {
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    answers: bool,
    answered: usize,
    questions: Vec<(SocketAddr, Vec<u8>)>,
}

impl Dns {
    fn start(address: IpAddr) -> Dns {
        let IpAddr::V4(address) = address else { panic!("{address}") };
        let socket = UdpSocket::bind((SERVER, 53)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let told: Arc<Mutex<Told>> = Arc::default();
        let shared = told.clone();
        std::thread::spawn(move || {
            let mut room = [0; 4_096];
            loop {
                let heard = socket.recv_from(&mut room);
                let mut told = shared.lock().unwrap();
                if let Ok((length, from)) = heard {
                    told.questions.push((from, room[..length].to_vec()));
                }
                if told.answers {
                    for (from, question) in std::mem::take(&mut told.questions) {
                        told.answered += 1;
                        let _ = socket.send_to(&answer(&question, address), from);
                    }
                }
            }
        });
        Dns { told }
    }

    /// True where the address of a host of this name has been asked for.
    fn was_asked(&self, name: &str) -> bool {
        let asked =
            |question: &[u8]| question.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()));
        self.told.lock().unwrap().questions.iter().any(|(_, question)| asked(question))
    }

    fn answered(&self) -> usize {
        self.told.lock().unwrap().answered
    }

    /// From now on it does, and what was asked before is answered, too.
    fn answers(&self) {
        self.told.lock().unwrap().answers = true;
    }
}

fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    const A: [u8; 2] = [0, 1];
    let name = question[12..].iter().position(|length| *length == 0).unwrap() + 12;
    let kind = &question[name + 1..name + 3];
    let has_address = kind == A;
    let mut answer = question[..2].to_vec();
    // A response, recursion desired and available; one question, one answer or none.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(&question[12..name + 5]);
    if has_address {
        // The same name; A, IN; a minute; four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

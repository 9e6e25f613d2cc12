//! What holds for every message, also for those nobody thought of: nothing panics, a stream and a datagram are read alike,
//! what is written reads back, and no value leaves its line.

use bytes::Bytes;
use huntline::sip::header::{NameAddr, Via};
use huntline::sip::{Framed, Framer, HeaderName, Host, Message, Method, Status, Uri, UriRef, Writer};
use proptest::prelude::*;

mod sip_words;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Everything that a message says, so that nothing of it is left unread.
fn all_of(message: &Message) -> String {
    let mut out =
        format!("{:?} {:?} {:?} {:?}", message.start(), message.cseq(), message.max_forwards(), message.call_id());
    out += &format!("{:?} {:?} {:?} {:?}", message.via(), message.from(), message.to(), message.content_type());
    out += &format!("{:?} {:?} {:?}", message.from().display(), message.body(), message.sdp());
    for (name, spelling, value) in message.lines() {
        out += &format!("{name} {spelling} {value:?} {}", message.values(name).count());
    }
    for name in [HeaderName::Contact, HeaderName::Route, HeaderName::RecordRoute] {
        for address in message.addresses(name) {
            out += &format!("{address:?} {:?} {:?} {:?}", address.expires(), address.q(), address.instance());
        }
    }
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reading_is_total_and_reading_again_finds_the_same(bytes in sip_words::suffered()) {
        match Message::parse(Bytes::from(bytes)) {
            Ok(message) => {
                let again = Message::parse(message.bytes().clone()).unwrap();
                prop_assert_eq!(all_of(&again), all_of(&message));
            }
            Err(malformed) => {
                let answer = Writer::default().refuse(&malformed, "us", "192.0.2.1:5060".parse().unwrap());
                prop_assert_eq!(answer.is_some(), malformed.status().is_some());
            }
        }
    }

    #[test]
    fn an_answer_is_itself_a_message_with_the_same_essentials(bytes in sip_words::message()) {
        let request = Message::parse(Bytes::from(bytes)).unwrap();
        prop_assume!(request.is_request());
        let source = "192.0.2.77:1234".parse().unwrap();
        let answer = Writer::default().reply(&request, Status::OK, "us1", source).finish();
        let answer = Message::parse(answer).unwrap();
        prop_assert_eq!(answer.status(), Some(Status::OK));
        prop_assert_eq!(answer.call_id(), request.call_id());
        prop_assert_eq!(answer.cseq(), request.cseq());
        prop_assert_eq!(answer.from_tag(), request.from_tag());
        prop_assert_eq!(answer.to_tag(), request.to_tag().or(Some("us1")));
        prop_assert_eq!(answer.branch(), request.branch());
        prop_assert_eq!(answer.values(HeaderName::Via).count(), request.values(HeaderName::Via).count());
        let via = answer.via();
        let came_from = (via.received(), via.rport());
        let wants_port = request.via().wants_rport();
        prop_assert_eq!(came_from, ("192.0.2.77".parse().ok(), wants_port.then_some(1234)));
    }

    #[test]
    fn a_stream_is_read_like_datagrams(messages in proptest::collection::vec(sip_words::message(), 1..4), size in 1usize..200) {
        let whole: Vec<Message> = messages.into_iter().filter_map(|bytes| Message::parse(Bytes::from(bytes)).ok())
            .filter(|message| message.has(HeaderName::ContentLength)).collect();
        let stream: Vec<u8> = whole.iter().flat_map(|message| message.bytes().to_vec()).collect();
        let mut framer = Framer::default();
        let mut seen = Vec::new();
        for piece in stream.chunks(size) {
            framer.push(piece);
            seen.extend(std::iter::from_fn(|| framer.next()));
        }
        let seen: Vec<_> = seen.iter().map(|framed| match framed {
            Framed::Message(message) => all_of(message),
            other => format!("{other:?}"),
        }).collect();
        prop_assert_eq!(seen, whole.iter().map(all_of).collect::<Vec<_>>());
    }

    #[test]
    fn a_wounded_stream_never_grows_beyond_its_cap(pieces in proptest::collection::vec(sip_words::suffered(), 1..6)) {
        let mut framer = Framer::default();
        for piece in &pieces {
            framer.push(piece);
            while let Some(framed) = framer.next() {
                if matches!(framed, Framed::Broken(_)) {
                    prop_assert!(framer.next().is_none());
                }
            }
            prop_assert!(framer.buffer().len() <= huntline::sip::MAX_MESSAGE);
        }
    }

    #[test]
    fn a_uri_reads_back_as_it_was_written(text in sip_words::uri()) {
        let uri = UriRef::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(uri.as_str(), text.as_str());
        prop_assert!(uri.is_same(uri));
        let with = uri.to_owned().with_param("x-new", "a b");
        prop_assert_eq!(UriRef::parse(with.as_ref()).unwrap().param("x-new"), Some("a%20b"));
        prop_assert_eq!(with.view().user(), uri.user());
    }

    #[test]
    fn any_user_part_survives_being_written(user in any::<String>()) {
        let uri = Uri::sip(&user, Host::Name("h.example"), None);
        let read = UriRef::parse(uri.as_ref()).unwrap();
        prop_assert_eq!(read.user_unescaped().unwrap_or_default(), user);
    }

    #[test]
    fn any_bytes_are_an_address_or_not_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = UriRef::parse(&bytes).map(|uri| (uri.user_unescaped(), uri.is_same(uri), uri.header("x")));
        let _ = NameAddr::read(&bytes).map(|address| (address.display(), address.tag(), address.q()));
        let _ = Via::read(&bytes).map(|via| (via.unique_branch(), via.received(), via.rport()));
    }

    #[test]
    fn any_name_reads_back_as_it_was_written_but_for_control_characters(name in any::<String>(), tag in "[a-z0-9]{1,9}") {
        let mut writer = Writer::default();
        let mut draft = writer.request(Method::Options, "sip:h");
        draft.via("UDP", Host::Name("h"), None, "z9hG4bK1").name_addr(HeaderName::From, &name, "sip:a@h", &tag);
        draft.name_addr(HeaderName::To, "", "sip:b@h", "").header(HeaderName::CallId, "1").cseq(1, Method::Options);
        let message = Message::parse(draft.finish()).unwrap();
        let expected: String = name.chars().filter(|c| !c.is_ascii_control()).collect();
        prop_assert_eq!(message.from().display().unwrap_or_default(), expected);
        prop_assert_eq!(message.from_tag(), Some(tag.as_str()));
        prop_assert_eq!(message.lines().count(), 6);
    }

    #[test]
    fn no_value_leaves_its_line(value in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut writer = Writer::default();
        let mut draft = writer.request(Method::Options, "sip:h");
        draft.header(HeaderName::Subject, &bytes).header(HeaderName::Reason, &value).header_named(&value, &bytes);
        draft.header_with(HeaderName::Contact, |line| {
            line.display(&value).uri(&bytes).param(&value, &value).flag(&value).text(&bytes);
        });
        let written = draft.finish();
        prop_assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 7);
        prop_assert_eq!(written.iter().filter(|byte| **byte == b'\r').count(), 7);
    }
}

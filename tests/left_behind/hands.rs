//! What people do about follow-ups by hand: ordered of a running router, and still so after a kill.

use std::process::Stdio;

use crate::missed;
use crate::office::{CONFIG, Office, offered, until};

const SECOND: &str = "\n[[extension]]\nnumber = \"202\"\npassword = \"secret-202\"\n\
                      [[extension]]\nnumber = \"203\"\npassword = \"secret-203\"\nactive = false\n\
                      [[group]]\nname = \"sales\"\nmembers = [\"201\", \"202\"]\n";

#[test]
fn a_follow_up_is_claimed_by_one_given_away_remarked_on_and_closed_across_a_kill() {
    let mut office = Office::new("hands");
    office.configure(&(CONFIG.to_owned() + SECOND));
    office.leave([offered(0), missed(0), offered(600)]);
    let counts = "         OPEN  OVERDUE\ncompany  1     1\nanybody  1     1\n";
    assert_eq!(office.says(&["followups", "--counts"]), counts);
    let (_, err, code) = office.run(&["followups", "claim", "1", "201"]);
    assert!(err.contains("no router is running") && code == 3, "{err}");
    office.serve();
    // Its time was over long ago; that is said once, in this run of the router and in those after it.
    let late = |office: &Office| office.says(&["followups", "show", "1"]).matches("its time is over\n").count();
    until(|| late(&office) == 1);

    // Twelve at once: one has it, and the others hear who.
    let claims = (0..12).map(|place| if place % 2 == 0 { "201" } else { "202" }).map(|who| {
        let mut claim = office.command(&["followups", "claim", "1", who]);
        (who, claim.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    });
    let claims: Vec<_> = claims.collect();
    let heard = claims.into_iter().map(|(who, claim)| {
        let output = claim.wait_with_output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (who, output.status.code().unwrap(), text)
    });
    let heard: Vec<_> = heard.collect();
    let winner = heard.iter().find(|(_, code, _)| *code == 0).unwrap().0;
    let due = "+79161234567 Ada Byron is to be called until 2026-11-23 10:30:20";
    for (who, code, text) in &heard {
        let expected = if *who == winner {
            (0, format!("{winner} has 1: {due}\n"))
        } else {
            (1, format!("huntline: somebody was faster: {winner} has follow-up 1\n"))
        };
        assert_eq!((*code, text), (expected.0, &expected.1), "{heard:?}");
    }
    let shown: serde_json::Value = serde_json::from_str(&office.says(&["followups", "show", "1", "--json"])).unwrap();
    let claimed = shown["comments"].as_array().unwrap().iter().filter(|comment| comment["what"] == "claimed").count();
    assert_eq!((claimed, &shown["assigned"]), (1, &"claimed".into()));

    let refused = |arguments: &[&str]| {
        let (_, err, code) = office.run(&[&["followups"], arguments].concat());
        assert_eq!(code, 1, "{err}");
        err.trim_start_matches("huntline: ").trim_end().to_owned()
    };
    assert_eq!(refused(&["claim", "7", "201"]), "there is no follow-up 7; `huntline followups` lists them");
    assert_eq!(refused(&["claim", "1", "299"]), "there is no extension \"299\"");
    assert_eq!(refused(&["assign", "1", "203"]), "extension \"203\" is not active any more");
    assert_eq!(refused(&["comment", "1", " "]), "there are no words; write down what there is to know");

    assert_eq!(office.says(&["followups", "assign", "1", "anybody"]), format!("anybody may claim 1: {due}\n"));
    assert_eq!(office.says(&["followups", "assign", "1", "202", "--by", "201"]), format!("202 has 1: {due}\n"));
    assert_eq!(office.says(&["followups", "comment", "1", "wants an offer", "--by", "202"]), "written down for 1\n");
    let counts = "             OPEN  OVERDUE\ncompany      1     1\ngroup sales  1     1\n202          1     1\nanybody      0     0\n";
    assert_eq!(office.says(&["followups", "--counts"]), counts);
    office.kill();
    office.serve();
    assert_eq!(office.says(&["followups", "close", "1", "answered by mail", "--by", "202"]), "1 is closed\n");
    assert_eq!(late(&office), 1);
    let closed = "follow-up 1 is closed already, by 202";
    let refused = |arguments: &[&str]| office.run(&[&["followups"], arguments].concat()).1;
    assert_eq!(refused(&["claim", "1", "201"]), format!("huntline: {closed}\n"));
    assert_eq!(refused(&["close", "1", "again"]), format!("huntline: {closed}\n"));
    let shown = office.says(&["followups", "show", "1"]);
    let said = ["201 gives it to 202\n", "202 says: wants an offer\n", "202 closes it: answered by mail\n"];
    assert!(said.iter().all(|said| shown.contains(said)), "{shown}");
    assert!(shown.contains("they called again: system failure, call "), "{shown}");
    assert!(office.says(&["missed"]).ends_with("  closed by 202: answered by mail\n"));
    assert_eq!(office.says(&["followups", "--open"]), "no follow-ups\n");
}

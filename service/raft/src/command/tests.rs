use super::*;

fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn the_form_on_disk_is_fixed() {
    let command = Command::Discover { key: key("db1"), at: at(1700) };
    let text = serde_json::to_string(&command).unwrap();
    assert_eq!(text, r#"{"v":1,"c":{"Discover":{"key":["db1",3306],"at":1700}}}"#);
    assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);

    let command = Command::AckRecovery(Acknowledge {
        selector: Selector::Instance(key("db1")),
        by: "me".into(),
        comment: "done".into(),
        at: at(1),
    });
    let text = serde_json::to_string(&command).unwrap();
    assert_eq!(
        text,
        r#"{"v":1,"c":{"AckRecovery":{"selector":{"Instance":["db1",3306]},"by":"me","comment":"done","at":1}}}"#
    );
    assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);

    let [public, secret, owner] = ["p", "s", "me"].map(String::from);
    let command = Command::IssueAccessToken { public, secret, owner, at: at(2), forget_before: at(1) };
    let text = serde_json::to_string(&command).unwrap();
    let form = r#"{"v":2,"c":{"IssueAccessToken":{"public":"p","secret":"s","owner":"me","at":2,"forget_before":1}}}"#;
    assert_eq!(text, form);
    assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
}

#[test]
fn every_form_reads_back() {
    let end = EndRecovery {
        uid: "1:a".into(),
        expected_seq: 3,
        success: true,
        successor: Some(key("b")),
        successor_alias: String::new(),
        lost_replicas: vec![key("c")],
        participants: vec![],
        errors: vec!["e".into()],
        steps: vec![Step { at: at(2), message: "m".into() }],
        downtimes: vec![],
        end_downtimes: vec![key("b")],
        aliases: vec![("b:3306".into(), "main".into())],
        at: at(3),
    };
    let commands = [
        Command::Heartbeat {},
        Command::EndRecovery(end),
        Command::RegisterCandidate { key: key("a"), rule: PromotionRule::MustNot, at: at(1) },
        Command::SetClusterAlias { cluster: "a:3306".into(), alias: None },
        Command::AckRecovery(Acknowledge {
            selector: Selector::All {},
            by: "me".into(),
            comment: "x".into(),
            at: at(9),
        }),
    ];
    for command in commands {
        let text = serde_json::to_vec(&command).unwrap();
        assert_eq!(serde_json::from_slice::<Command>(&text).unwrap(), command);
    }
}

#[test]
fn a_command_of_a_newer_version_is_refused_by_its_number() {
    let newer = r#"{"v":3,"c":{"Levitate":{"key":["db1",3306]}}}"#;
    let error = serde_json::from_str::<Command>(newer).unwrap_err().to_string();
    assert!(error.contains("version 3") && error.contains("knows up to 2"), "{error}");
}

#[test]
fn an_unknown_command_or_field_is_an_error_that_names_the_version() {
    for text in [
        r#"{"v":1,"c":{"Levitate":{}}}"#,
        r#"{"v":1,"c":{"Forget":{"key":["db1",3306],"why":"x"}}}"#,
        r#"{"v":1,"c":{"Forget":{"key":["db1",70000]}}}"#,
        r#"{"v":1,"c":null}"#,
    ] {
        let error = serde_json::from_str::<Command>(text).unwrap_err().to_string();
        assert!(error.contains("version 1"), "{error}");
    }
    assert!(serde_json::from_str::<Command>(r#"{"c":{"Heartbeat":{}}}"#).is_err(), "no version at all");
}

#[test]
fn what_is_logged_of_a_pair_is_its_key_only() {
    let command = Command::PutKeyValue { key: "k".into(), value: "secret".into(), at: at(1) };
    assert_eq!(command.to_string(), "put k");
    let [public, secret] = ["p", "s"].map(String::from);
    let command = Command::RedeemAccessToken { public, secret, not_before: at(0), at: at(1) };
    assert_eq!(command.to_string(), "redeem an access token");
}

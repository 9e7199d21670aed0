//! The built program: exit codes, stdout and stderr as a shell sees them.

use std::process::{Command, Output, Stdio};

fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator-client"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_needs_no_server_and_goes_to_stdout() {
    for arguments in [&["-h"][..], &["--help"], &["-c", "help"]] {
        let output = client(arguments).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("orchestrator-client: "));
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = client(&["-c", "help"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = client(&["-c", "help"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Cannot write the result"), "{}", stderr(&output));
}

#[test]
fn no_command_is_answered_with_how_to_give_one() {
    let output = client(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("]: No command given. Use orchestrator-client -c <command>"));
}

#[test]
fn arguments_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let output = client(&["-c"]).arg(std::ffi::OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is not valid UTF-8"));
}

//! The `orchestrator-client` binary, for machines that have no server of ours. Where there is one, that binary is the
//! client too, under the client's name.

fn main() -> std::process::ExitCode {
    orchestrator_client::main()
}

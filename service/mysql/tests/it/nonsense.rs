//! Spoiled packets: no server, however broken, takes the process down with it.
//!
//! The driver panics on some of them; that stays within the probe (in a build that unwinds).

use std::time::Duration;

use orchestrator_core::observation::{FailureKind, Outcome};
use orchestrator_mysql::{Fleet, Probe as _, ProbeSettings};

use crate::{
    fake::{Answer, Fake, Greeting, hello, packets_of_rows},
    servers::mysql,
    settings,
};

/// Cases of each kind. All of them take about a second.
const CASES: u64 = 400;

/// Reproducible noise: xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Cuts, overwrites or lengthens.
    fn spoil(&mut self, packet: &mut Vec<u8>) {
        match self.below(4) {
            0 => packet.truncate(self.below(packet.len() + 1)),
            1 => packet.extend((0..self.below(9)).map(|index| index as u8)),
            _ if packet.is_empty() => {}
            _ => {
                for _ in 0..=self.below(3) {
                    let index = self.below(packet.len());
                    packet[index] = self.next() as u8;
                }
            }
        }
    }
}

fn impatient() -> Fleet {
    let short = Duration::from_millis(20);
    Fleet::new(ProbeSettings { connect_timeout: short, read_timeout: short, ..settings() })
}

#[tokio::test]
async fn an_empty_packet_is_nonsense() {
    // In place of the whole answer, and in place of a row.
    let mut with_empty_row = packets_of_rows(&["Source_Host".to_owned()], &[]);
    with_empty_row.insert(3, Vec::new());
    for packets in [vec![Vec::new()], with_empty_row] {
        let fake = Fake::start(move |sql| match sql {
            "SHOW REPLICA STATUS" => Answer::Packets(packets.clone()),
            sql => mysql(sql),
        })
        .await;
        let observation = Fleet::new(settings()).probe(&fake.key()).await;
        let Outcome::Failed(failure) = observation.outcome else { panic!("read") };
        assert_eq!((failure.kind, failure.partial), (FailureKind::Nonsense, true), "{failure}");
    }
}

#[tokio::test]
async fn no_greeting_is_a_panic() {
    let fake = Fake::start(mysql).await;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CASES {
        let mut packet = hello();
        noise.spoil(&mut packet);
        fake.greet(&[Greeting::Packet(packet)]);
        // Whether it fails is not the claim: a witness may have taken the greeting.
        impatient().probe(&fake.key()).await;
    }
}

#[tokio::test]
async fn no_answer_is_a_panic() {
    let fake = Fake::start(mysql).await;
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for _ in 0..CASES {
        let columns = ["Source_Host".to_owned(), "Source_Port".to_owned(), "Auto_Position".to_owned()];
        let row = vec![Some("db1".to_owned()), Some("3306".to_owned()), None];
        let mut packets = packets_of_rows(&columns, &[row]);
        let spoiled = noise.below(packets.len());
        noise.spoil(&mut packets[spoiled]);
        fake.answer(move |sql| match sql {
            "SHOW REPLICA STATUS" => Answer::Packets(packets.clone()),
            sql => mysql(sql),
        });
        impatient().probe(&fake.key()).await;
    }
}

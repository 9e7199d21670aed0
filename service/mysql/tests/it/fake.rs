//! A MySQL server made by hand: the protocol's few packets that a prober meets, and all the ways to spoil them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use orchestrator_core::InstanceKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How a statement is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Success without rows.
    Done,
    /// Rows under these columns; `None` is NULL.
    Rows(Vec<String>, Vec<Vec<Option<String>>>),
    /// An error.
    Error(u16, &'static str),
    /// Never.
    Hang,
    /// The connection is closed instead.
    Drop,
    /// The connection is closed after the first packets of a result.
    DropInside,
    /// The connection is closed in the middle of a packet.
    CutPacket,
    /// Bytes that are no answer.
    Garbage,
    /// Packets that hold these bytes.
    Packets(Vec<Vec<u8>>),
    /// This answer, when the gate opens.
    Gated(Box<Answer>),
}

/// How a new connection is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// As a server does.
    Proper,
    /// Accepted, then silence.
    Silence,
    /// Closed at once.
    Closed,
    /// Bytes that are no greeting.
    Garbage,
    /// A packet that holds these bytes.
    Packet(Vec<u8>),
    /// An error packet in place of the greeting.
    Error(u16, &'static str),
    /// A greeting, then this error in answer to the login.
    Denied(u16, &'static str),
}

type Answers = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// A fake server; it ends when dropped.
pub struct Fake {
    pub address: SocketAddr,
    state: Arc<State>,
    gate: watch::Sender<bool>,
    server: JoinSet<()>,
}

struct State {
    greetings: Mutex<VecDeque<Greeting>>,
    answers: Mutex<Answers>,
    statements: Mutex<Vec<String>>,
    logins: Mutex<u32>,
    sessions: Mutex<JoinSet<()>>,
}

impl Fake {
    /// A server that answers each statement as `answers` says.
    pub async fn start(answers: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", answers).await
    }

    pub async fn start_at(address: &str, answers: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            greetings: Mutex::default(),
            answers: Mutex::new(Arc::new(answers)),
            statements: Mutex::default(),
            logins: Mutex::default(),
            sessions: Mutex::default(),
        });
        let (gate, opened) = watch::channel(false);
        let mut server = JoinSet::new();
        server.spawn(accept(listener, state.clone(), opened));
        Self { address, state, gate, server }
    }

    pub fn key(&self) -> InstanceKey {
        InstanceKey::new(self.address.ip().to_string(), self.address.port())
    }

    /// Meets the next connections so, one each; later ones properly.
    pub fn greet(&self, greetings: &[Greeting]) {
        self.state.greetings.lock().unwrap().extend(greetings.iter().cloned());
    }

    /// Answers so from now on.
    pub fn answer(&self, answers: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        *self.state.answers.lock().unwrap() = Arc::new(answers);
    }

    /// Lets [`Answer::Gated`] through, also in future.
    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Every statement so far.
    pub fn statements(&self) -> Vec<String> {
        self.state.statements.lock().unwrap().clone()
    }

    /// How often a statement that contains `part` was received.
    pub fn count(&self, part: &str) -> usize {
        self.statements().iter().filter(|sql| sql.contains(part)).count()
    }

    /// Waits until a statement that contains `part` was received.
    pub async fn received(&self, part: &str) {
        let search = async {
            while self.count(part) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, search).await.expect("the statement comes");
    }

    pub fn logins(&self) -> u32 {
        *self.state.logins.lock().unwrap()
    }

    /// Breaks all connections.
    pub async fn break_connections(&self) {
        let mut sessions = std::mem::take(&mut *self.state.sessions.lock().unwrap());
        sessions.shutdown().await;
    }

    /// The process dies: all connections break, new ones are refused.
    pub async fn kill(&mut self) {
        self.server.shutdown().await;
        self.break_connections().await;
    }

    /// It refuses new connections and keeps the ones that it has.
    pub async fn stop_listening(&mut self) {
        self.server.shutdown().await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, gate: watch::Receiver<bool>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a TCP socket");
        let greeting = state.greetings.lock().unwrap().pop_front().unwrap_or(Greeting::Proper);
        let session = serve(stream, greeting, state.clone(), gate.clone());
        state.sessions.lock().unwrap().spawn(async move {
            let _ = session.await;
        });
    }
}

async fn serve(
    mut stream: TcpStream,
    greeting: Greeting,
    state: Arc<State>,
    mut gate: watch::Receiver<bool>,
) -> std::io::Result<()> {
    match greeting {
        Greeting::Silence => std::future::pending().await,
        Greeting::Closed => return Ok(()),
        Greeting::Garbage => return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nwhat is this").await,
        Greeting::Packet(bytes) => return send(&mut stream, 0, &bytes).await,
        Greeting::Error(code, text) => {
            // Before the login no error carries a state.
            let mut error = vec![0xff];
            error.extend(code.to_le_bytes());
            error.extend(text.as_bytes());
            return send(&mut stream, 0, &error).await;
        }
        Greeting::Proper | Greeting::Denied(..) => {}
    }
    send(&mut stream, 0, &hello()).await?;
    receive(&mut stream).await?;
    if let Greeting::Denied(code, text) = greeting {
        return send(&mut stream, 2, &error(code, text)).await;
    }
    *state.logins.lock().unwrap() += 1;
    send(&mut stream, 2, &OK).await?;
    loop {
        let command = receive(&mut stream).await?;
        match command.split_first() {
            Some((0x03, sql)) => {
                let sql = String::from_utf8_lossy(sql).into_owned();
                state.statements.lock().unwrap().push(sql.clone());
                let answers = state.answers.lock().unwrap().clone();
                if !reply(&mut stream, answers(&sql), &mut gate).await? {
                    return Ok(());
                }
            }
            Some((0x01, _)) | None => return Ok(()),
            _ => send(&mut stream, 1, &OK).await?,
        }
    }
}

/// Sends an answer; `false` when the connection is to be closed.
async fn reply(
    stream: &mut TcpStream,
    answer: Answer,
    gate: &mut watch::Receiver<bool>,
) -> std::io::Result<bool> {
    match answer {
        Answer::Done => send(stream, 1, &OK).await?,
        Answer::Error(code, text) => send(stream, 1, &error(code, text)).await?,
        Answer::Rows(columns, rows) => send_all(stream, &packets_of_rows(&columns, &rows)).await?,
        Answer::Hang => std::future::pending().await,
        Answer::Drop => return Ok(false),
        Answer::DropInside => {
            send(stream, 1, &[1]).await?;
            return Ok(false);
        }
        Answer::CutPacket => {
            stream.write_all(&[90, 0, 0, 1, 1, 2, 3]).await?;
            return Ok(false);
        }
        Answer::Garbage => {
            send(stream, 1, &[1]).await?;
            send(stream, 2, b"no column looks like this").await?;
        }
        Answer::Packets(packets) => {
            send_all(stream, &packets).await?;
            return Ok(false);
        }
        Answer::Gated(answer) => {
            let _ = gate.wait_for(|open| *open).await;
            return Box::pin(reply(stream, *answer, gate)).await;
        }
    }
    Ok(true)
}

const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];
const EOF: [u8; 5] = [0xfe, 0, 0, 2, 0];

/// A greeting as MySQL 9.7 sends it.
pub fn hello() -> Vec<u8> {
    // Long password, protocol 4.1, transactions, secure connection; plugin authentication.
    let (low, high): (u16, u16) = (0xa201, 0x0008);
    let mut packet = vec![10];
    packet.extend(b"9.7.4\0");
    packet.extend(7_u32.to_le_bytes());
    packet.extend(b"12345678\0");
    packet.extend(low.to_le_bytes());
    packet.extend([255, 2, 0]);
    packet.extend(high.to_le_bytes());
    packet.push(21);
    packet.extend([0; 10]);
    packet.extend(b"123456789012\0mysql_native_password\0");
    packet
}

fn error(code: u16, text: &str) -> Vec<u8> {
    let mut packet = vec![0xff];
    packet.extend(code.to_le_bytes());
    packet.extend(b"#HY000");
    packet.extend(text.as_bytes());
    packet
}

/// A result set as packets.
pub fn packets_of_rows(columns: &[String], rows: &[Vec<Option<String>>]) -> Vec<Vec<u8>> {
    let mut packets = vec![vec![u8::try_from(columns.len()).expect("few columns")]];
    for name in columns {
        let mut packet = Vec::new();
        for text in ["def", "", "", "", name, name] {
            put_text(&mut packet, text);
        }
        packet.extend([0x0c, 45, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
        packets.push(packet);
    }
    packets.push(EOF.to_vec());
    for row in rows {
        let mut packet = Vec::new();
        for cell in row {
            match cell {
                Some(text) => put_text(&mut packet, text),
                None => packet.push(0xfb),
            }
        }
        packets.push(packet);
    }
    packets.push(EOF.to_vec());
    packets
}

async fn send_all(stream: &mut TcpStream, packets: &[Vec<u8>]) -> std::io::Result<()> {
    for (index, packet) in packets.iter().enumerate() {
        send(stream, u8::try_from(index + 1).expect("few packets"), packet).await?;
    }
    Ok(())
}

fn put_text(packet: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..=250) => packet.push(length),
        _ => {
            packet.push(0xfc);
            packet.extend(u16::try_from(text.len()).expect("short texts").to_le_bytes());
        }
    }
    packet.extend(text.as_bytes());
}

async fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).expect("small packets").to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], sequence];
    packet.extend(payload);
    stream.write_all(&packet).await
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

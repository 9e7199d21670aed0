//! A wire between a backend and its server that tests can cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use orchestrator_backend::MySqlOptions;

/// Passes connections on. Its threads end with the connections, the listening one with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    wires: Arc<Mutex<Vec<Wire>>>,
    refuses: Arc<AtomicBool>,
}

struct Wire {
    client: TcpStream,
    server: TcpStream,
    swallows: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn to(options: &MySqlOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (wires, refuses) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, closed) = (wires.clone(), refuses.clone());
        let upstream = format!("{}:{}", options.host, options.port);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !closed.load(Ordering::SeqCst) {
                    kept.lock().unwrap().push(wire(client, &upstream));
                }
            }
        });
        Self { address, wires, refuses }
    }

    /// The same database by way of this proxy.
    pub(crate) fn route(&self, options: MySqlOptions) -> MySqlOptions {
        MySqlOptions { host: self.address.ip().to_string(), port: self.address.port(), ..options }
    }

    /// Ends every connection, at both ends.
    pub(crate) fn cut(&self) {
        for wire in self.wires.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = wire.client.shutdown(Shutdown::Both);
            let _ = wire.server.shutdown(Shutdown::Both);
        }
    }

    /// From now on what the server says on the present connections never arrives; neither does their end.
    pub(crate) fn swallow_answers(&self) {
        for wire in &*self.wires.lock().unwrap() {
            wire.swallows.store(true, Ordering::SeqCst);
        }
    }

    /// Whether new connections are closed at once.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

fn wire(client: TcpStream, upstream: &str) -> Wire {
    let server = TcpStream::connect(upstream).unwrap();
    let swallows = Arc::new(AtomicBool::new(false));
    for (from, to, swallowed) in
        [(&client, &server, Arc::new(AtomicBool::new(false))), (&server, &client, swallows.clone())]
    {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let answers = Arc::ptr_eq(&swallowed, &swallows);
        let silent = swallows.clone();
        thread::spawn(move || pump(from, to, &swallowed, &silent, answers));
    }
    Wire { client, server, swallows }
}

fn pump(mut from: TcpStream, mut to: TcpStream, swallowed: &AtomicBool, silent: &AtomicBool, answers: bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !swallowed.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // A machine that vanished says no goodbye.
    if answers || !silent.load(Ordering::SeqCst) {
        let _ = to.shutdown(Shutdown::Both);
    }
}

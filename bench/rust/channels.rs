// SPDX-License-Identifier: MIT
// Rust's std::sync::mpsc between threads, as a peer: the same messages, the same checks and the same histogram as in
// bench/peer.h and bench/histogram.h.
//
//     rust-channels throughput|ping mpsc|sync SENDERS CAPACITY DURATION_MS PAUSE_US any|split|one

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const BYTES: usize = 64;
const END: u64 = 1 << 47;
const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
const BUCKETS: usize = (SUB as usize) * (41 - SUB_BITS as usize);

type Message = [u8; BYTES];

trait Tx: Clone + Send + 'static {
    fn send_one(&self, m: Message);
}

impl Tx for Sender<Message> {
    #[inline(always)]
    fn send_one(&self, m: Message) {
        self.send(m).expect("send");
    }
}

impl Tx for SyncSender<Message> {
    #[inline(always)]
    fn send_one(&self, m: Message) {
        self.send(m).expect("send");
    }
}

fn word_of(m: &Message, at: usize) -> u64 {
    u64::from_ne_bytes(m[at..at + 8].try_into().unwrap())
}

fn stamp(m: &mut Message, word: u64) {
    m[..8].copy_from_slice(&word.to_ne_bytes());
    m[BYTES - 8..].copy_from_slice(&word.wrapping_mul(0x9e3779b97f4a7c15).to_ne_bytes());
}

// ------------------------------------------------------------------------------------------ what it cost

#[repr(C)]
struct Rusage {
    words: [i64; 18],
}

extern "C" {
    fn getrusage(who: i32, usage: *mut Rusage) -> i32;
    fn sched_getaffinity(thread: i32, bytes: usize, mask: *mut u64) -> i32;
    fn sched_setaffinity(thread: i32, bytes: usize, mask: *const u64) -> i32;
}

// As pin() in bench/run.c: "one" is the first core for all, "split" the first for `first` and the others in turn.
fn pin(cores: &str, first: bool, index: usize) {
    let mut mask = [0u64; 16];
    if cores == "any" || unsafe { sched_getaffinity(0, 128, mask.as_mut_ptr()) } < 0 {
        return;
    }
    let cpus: Vec<usize> = (0..1024).filter(|c| mask[c / 64] >> (c % 64) & 1 != 0).collect();
    let which = if cores == "one" || first || cpus.len() < 2 {
        0
    } else {
        1 + index % (cpus.len() - 1)
    };
    let mut only = [0u64; 16];
    only[cpus[which] / 64] = 1 << (cpus[which] % 64);
    unsafe { sched_setaffinity(0, 128, only.as_ptr()) };
}

// CPU seconds, voluntary and involuntary context switches of this process so far (64-bit Linux).
fn usage() -> (f64, i64, i64) {
    let mut u = Rusage { words: [0; 18] };
    unsafe { getrusage(0, &mut u) };
    let w = &u.words;
    (w[0] as f64 + w[2] as f64 + (w[1] + w[3]) as f64 / 1e6, w[16], w[17])
}

// -------------------------------------------------------------------------------------------- throughput

fn throughput<T: Tx>(tx: T, rx: Receiver<Message>, senders: u64, duration: Duration, cores: &'static str) {
    let stop = Arc::new(AtomicBool::new(false));
    let gate = Arc::new(Barrier::new(senders as usize + 2));
    let mut threads = Vec::new();
    for index in 0..senders {
        let (tx, stop, gate) = (tx.clone(), stop.clone(), gate.clone());
        threads.push(thread::spawn(move || {
            let mut m: Message = [0x5a; BYTES];
            let mut n: u64 = 0;
            pin(cores, false, index as usize);
            gate.wait();
            while !stop.load(Ordering::Relaxed) {
                stamp(&mut m, index << 48 | n);
                tx.send_one(m);
                n += 1;
            }
            stamp(&mut m, index << 48 | n | END);
            tx.send_one(m);
            n
        }));
    }
    let receiver_gate = gate.clone();
    let receiver = thread::spawn(move || {
        let mut expected: Vec<u64> = (0..senders).map(|i| i << 48).collect();
        let (mut count, mut ended) = (0u64, 0);
        pin(cores, true, 0);
        receiver_gate.wait();
        while ended < senders {
            let m = rx.recv().expect("receive");
            let word = word_of(&m, 0);
            let sender = (word >> 48) as usize;
            assert!(word_of(&m, BYTES - 8) == word.wrapping_mul(0x9e3779b97f4a7c15), "torn");
            if word == expected[sender] {
                expected[sender] += 1;
            } else {
                assert!(word == expected[sender] | END, "out of order");
                ended += 1;
            }
            count += 1;
        }
        (count, Instant::now())
    });
    gate.wait();
    let (begin, before) = (Instant::now(), usage());
    thread::sleep(duration);
    stop.store(true, Ordering::Relaxed);
    let (count, end) = receiver.join().expect("receiver");
    let sent: Vec<f64> = threads.into_iter().map(|t| t.join().expect("sender") as f64).collect();
    let after = usage();
    let (sum, squares) = (sent.iter().sum::<f64>(), sent.iter().map(|n| n * n).sum::<f64>());
    println!(
        "result {} {} {} {} {} {}",
        count,
        (end - begin).as_secs_f64(),
        after.0 - before.0,
        after.1 - before.1,
        after.2 - before.2,
        if squares > 0.0 {
            sum * sum / (senders as f64 * squares)
        } else {
            0.0
        }
    );
}

// -------------------------------------------------------------------------------------------- ping-pong

fn bucket(ns: u64) -> usize {
    if ns < SUB {
        return ns as usize;
    }
    let shift = 63 - ns.leading_zeros() - SUB_BITS;
    let bucket = (shift as u64 + 1) * SUB + (ns >> shift) - SUB;
    (bucket as usize).min(BUCKETS - 1)
}

fn ping<T: Tx>(
    there: (T, Receiver<Message>),
    back: (T, Receiver<Message>),
    duration: Duration,
    pause: Duration,
    cores: &'static str,
) {
    let (to, arrives) = there;
    let (answer, answers) = back;
    let player = thread::spawn(move || {
        pin(cores, false, 0);
        while let Ok(m) = arrives.recv() {
            answer.send_one(m);
            if word_of(&m, 0) & END != 0 {
                break;
            }
        }
    });
    pin(cores, true, 0);
    let (begin, before) = (Instant::now(), usage());
    let mut counts = vec![0u64; BUCKETS];
    let mut m: Message = [0x5a; BYTES];
    let (mut n, mut last) = (0u64, false);
    while !last {
        if !pause.is_zero() {
            let until = Instant::now() + pause;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        last = begin.elapsed() >= duration;
        stamp(&mut m, n | if last { END } else { 0 });
        let sent = Instant::now();
        to.send_one(m);
        let reply = answers.recv().expect("receive");
        counts[bucket(sent.elapsed().as_nanos() as u64)] += 1;
        assert!(word_of(&reply, 0) == word_of(&m, 0), "another answer");
        n += 1;
    }
    player.join().expect("player");
    let (seconds, after) = (begin.elapsed().as_secs_f64(), usage());
    println!(
        "result {} {} {} {} {} 1",
        n,
        seconds,
        after.0 - before.0,
        after.1 - before.1,
        after.2 - before.2
    );
    for (i, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        println!("bucket {} {}", i, count);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 8 {
        eprintln!(
            "usage: {} throughput|ping mpsc|sync SENDERS CAPACITY DURATION_MS PAUSE_US any|split|one",
            args[0]
        );
        std::process::exit(2);
    }
    let number = |i: usize| args[i].parse::<u64>().expect("a number");
    let (senders, capacity) = (number(3), number(4) as usize);
    let (duration, pause) = (Duration::from_millis(number(5)), Duration::from_micros(number(6)));
    let cores: &'static str = Box::leak(args[7].clone().into_boxed_str());
    match (args[1].as_str(), args[2].as_str()) {
        ("throughput", "mpsc") => {
            let (tx, rx) = channel();
            throughput(tx, rx, senders, duration, cores)
        }
        ("throughput", _) => {
            let (tx, rx) = sync_channel(capacity);
            throughput(tx, rx, senders, duration, cores)
        }
        (_, "mpsc") => ping(channel(), channel(), duration, pause, cores),
        _ => ping(sync_channel(capacity), sync_channel(capacity), duration, pause, cores),
    }
}

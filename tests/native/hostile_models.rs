//! Model files that are wrong, by accident or on purpose: each is refused with a code and a message that
//! names the culprit, before anything is allocated that the file only claims to hold.
//!
//! The tables below hold one row a file: what is wrong with it, the file, and words of the message.

mod config;
mod tokenizer;
mod weights;

use sae_lab::{LabError, Result};

/// What is wrong, the file, and words that the message must have.
struct Case<F> {
    what: &'static str,
    file: F,
    words: Vec<String>,
}

fn case<F>(what: &'static str, file: F, words: &[&str]) -> Case<F> {
    Case { what, file, words: words.iter().map(|w| w.to_string()).collect() }
}

/// Every file is refused as `code`, with its words, in a message that is not the file itself. Returns how many.
#[track_caller]
fn all_refused<F>(code: &str, cases: Vec<Case<F>>, load: impl Fn(&F) -> Result<()>) -> usize {
    let mut wrong = Vec::new();
    let count = cases.len();
    for Case { what, file, words } in cases {
        match load(&file) {
            Ok(()) => wrong.push(format!("{what}: was read")),
            Err(error) => wrong.extend(complaint(&error, code, &words).map(|why| format!("{what}: {why}"))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    count
}

fn complaint(error: &LabError, code: &str, words: &[String]) -> Option<String> {
    let lacking = words.iter().find(|word| !error.message.contains(*word)).map(|word| format!("{:?} lacks {word:?}", error.message));
    let other = (error.code != code).then(|| format!("{error}, not {code}"));
    let long = (error.message.len() > 1000 || error.hint.is_empty()).then(|| format!("{} bytes of message", error.message.len()));
    other.or(lacking).or(long)
}

/// Bytes changed, cut, repeated and swapped for JSON's own: `rounds` spoilt copies of a file.
fn spoilt(whole: &[u8], rounds: usize, mut each: impl FnMut(Vec<u8>)) {
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below.max(1)
    };
    for _ in 0..rounds {
        let mut file = whole.to_vec();
        for _ in 0..=random(3) {
            let at = random(file.len());
            match random(4) {
                0 => file[at] = random(256) as u8,
                1 => file[at] = b"0123456789[]{}\",:-e."[random(20)],
                2 => file.truncate(at.max(1)),
                _ => {
                    let piece = file[at..file.len().min(at + random(40))].to_vec();
                    file.splice(at..at, piece);
                }
            }
        }
        each(file);
    }
}

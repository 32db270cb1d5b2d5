//! `tokenizer.json`, and `vocab.json` with `merges.txt`.

use sae_lab::tokenizer::Tokenizer;
use serde_json::{Value, json};

use super::{all_refused, case, spoilt};
use crate::support::bytes;

/// Three letters, two merges, end of text.
fn vocab() -> Value {
    json!({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5})
}

fn right() -> Value {
    json!({
        "added_tokens": [{"id": 5, "content": "<|endoftext|>", "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocab(), "merges": ["a b", ["Ġ", "ab"]]},
    })
}

/// `tokenizer.json` with one value changed; `at` is a JSON pointer.
fn with(at: &str, value: Value) -> Vec<u8> {
    let mut file = right();
    match file.pointer_mut(at) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = at.rsplit_once('/').unwrap();
            file.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    file.to_string().into_bytes()
}

#[test]
fn right_files_are_read() {
    let json = Tokenizer::from_json(&with("/version", json!("1.0"))).unwrap();
    let pair = Tokenizer::from_vocab_merges(vocab().to_string().as_bytes(), "#version: 0.2\na b\nĠ ab\n".as_bytes()).unwrap();
    let crlf = Tokenizer::from_vocab_merges(vocab().to_string().as_bytes(), "#version: 0.2\r\na b\r\nĠ ab\r\n".as_bytes()).unwrap();
    for tokenizer in [json, pair, crlf] {
        assert_eq!(tokenizer.encode("ab ab<|endoftext|>ba", true).unwrap(), [5, 3, 4, 5, 1, 0]);
        assert_eq!(tokenizer.decode(&[5, 3, 4, 5, 1, 0]), "<|endoftext|>ab ab<|endoftext|>ba");
        assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text), (6, 5));
        // What has no token would be left out without a word.
        let error = tokenizer.encode("abc", false).unwrap_err();
        assert!(error.code == "LAB-BAD-SETTING" && error.message.contains("0x63"), "{error}");
        assert_eq!(tokenizer.encode("<|endoftext|>", false).unwrap(), [5]);
    }
}

#[test]
fn added_tokens_are_found_in_a_text_and_shown_as_they_are() {
    let mut file = right();
    file["added_tokens"].as_array_mut().unwrap().push(json!({"id": 6, "content": "[ü b]", "special": false, "lstrip": true}));
    let tokenizer = Tokenizer::from_json(file.to_string().as_bytes()).unwrap();
    assert_eq!(tokenizer.encode("ab [ü b]ab", false).unwrap(), [3, 6, 3]);
    assert_eq!(tokenizer.decode(&[3, 6, 3]), "ab[ü b]ab");
    assert_eq!(tokenizer.decode_token(6), "[ü b]");
}

#[test]
fn hostile_tokenizer_json() {
    let text = |text: &str| text.as_bytes().to_vec();
    let long = "x".repeat(100_000);
    let cases = vec![
        case("nothing", text(""), &["tokenizer.json", "EOF"]),
        case("an empty object", text("{}"), &["tokenizer.json", "model"]),
        case("a list", text("[1, 2]"), &["tokenizer.json"]),
        case("a web page", text("<html>"), &["tokenizer.json is a web page"]),
        case("a git-lfs pointer", text("version https://git-lfs.github.com/spec/v1\noid sha256:12"), &["git-lfs"]),
        case("no UTF-8", b"{\"model\": \"\xc3\x28\"}".to_vec(), &["UTF-8"]),
        case("more than 16 megabytes", vec![b' '; (16 << 20) + 1], &["16777217"]),
        case("text behind it", [with("/version", json!(1)), text("x")].concat(), &["trailing"]),
        case("lists in lists", text(&format!("{{\"normalizer\": {}", "[".repeat(1_000_000))), &["recursion"]),
        case("lists in lists that are skipped", text(&format!("{{\"decoder\": {}", "[".repeat(1_000_000))), &["tokenizer.json can't be read"]),
        case("the model twice", text(r#"{"model": {"vocab": {}, "merges": []}, "model": {}}"#), &["model"]),
        case("a token twice", text(r#"{"model": {"vocab": {"a": 0, "a": 1}, "merges": []}}"#), &["\"a\"", "twice"]),
        case("an escaped token twice", text(r#"{"model": {"vocab": {"a": 0, "\u0061": 1}, "merges": []}}"#), &["\"a\"", "twice"]),
        case("a vocabulary that is a list", with("/model/vocab", json!(["a", "b"])), &["whole numbers"]),
        case("no vocabulary", with("/model/vocab", json!({})), &["id 5"]),
        case("a text as id", with("/model/vocab/a", json!("0")), &["u32"]),
        case("an id below 0", with("/model/vocab/a", json!(-1)), &["-1"]),
        case("a fraction as id", with("/model/vocab/a", json!(0.5)), &["0.5"]),
        case("an id above 2^32", with("/model/vocab/a", json!(1u64 << 40)), &["1099511627776"]),
        case("an id of 2^32 - 1", with("/model/vocab/a", json!(u32::MAX)), &["6 tokens", "4294967295"]),
        case("ids with a gap", with("/model/vocab/Ġab", json!(6)), &["6 tokens", "id 6", "gap"]),
        case("an id twice", with("/model/vocab/a", json!(1)), &["\"a\"", "\"b\"", "the same id, 1"]),
        case("no end of text", with("/added_tokens", json!([])).replace_all("<|endoftext|>", "<|end|>"), &["no <|endoftext|>"]),
        case(
            "a token that is plain text",
            with("/model/vocab", json!({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5, "日本": 6})),
            &["日本", "byte-level"],
        ),
        case(
            "a token with a space",
            with("/model/vocab", json!({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5, "a b": 6})),
            &["a b", "byte-level"],
        ),
        case("an empty token", with("/model/vocab", json!({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5, "": 6})), &["byte-level"]),
        case("a long token that is plain text", with("/model/vocab/ ", json!(6)).replace_all("\" \"", &format!("\" {long}\"")), &["…", "byte-level"]),
        case("a merge of one piece", with("/model/merges", json!(["ab"])), &["no pair", "ab"]),
        case("a merge of three", with("/model/merges", json!([["a", "b", "ab"]])), &["tokenizer.json can't be read"]),
        case("a merge of three words", with("/model/merges", json!(["a b ab"])), &["\"b ab\"", "lacks"]),
        case("a merge of numbers", with("/model/merges", json!([[0, 1]])), &["tokenizer.json can't be read"]),
        case("a merge with nothing", with("/model/merges", json!([["", "a"]])), &["joins nothing"]),
        case("a merge of unknown pieces", with("/model/merges", json!(["c d"])), &["\"c\"", "lacks"]),
        case("a merge into an unknown piece", with("/model/merges", json!(["a a"])), &["\"a\"", "makes a piece", "lacks"]),
        case("a merge twice", with("/model/merges", json!(["a b", "a b"])), &["\"a\"", "\"b\"", "twice"]),
        case("merges of long words", with("/model/merges", json!([long])), &["no pair", "…"]),
        case("no merges", text(r#"{"model": {"vocab": {"<|endoftext|>": 0}}}"#), &["merges"]),
        case("another model", with("/model/type", json!("WordPiece")), &["model.type", "WordPiece"]),
        case("dropout", with("/model/dropout", json!(0.1)), &["dropout", "0.1"]),
        case("a prefix", with("/model/continuing_subword_prefix", json!("##")), &["continuing_subword_prefix", "##"]),
        case("a suffix", with("/model/end_of_word_suffix", json!("</w>")), &["end_of_word_suffix", "</w>"]),
        case("byte fallback", with("/model/byte_fallback", json!(true)), &["byte_fallback"]),
        case("merges that are passed over", with("/model/ignore_merges", json!(true)), &["ignore_merges"]),
        case("a normaliser", with("/normalizer", json!({"type": "NFKC"})), &["normalizer", "NFKC"]),
        case("no pre-tokenizer", with("/pre_tokenizer", json!(null)), &["pre_tokenizer", "null"]),
        case("another pre-tokenizer", with("/pre_tokenizer", json!({"type": "Whitespace"})), &["Whitespace"]),
        case("a pre-tokenizer that is a text", with("/pre_tokenizer", json!("ByteLevel")), &["pre_tokenizer"]),
        case("a space before every text", with("/pre_tokenizer/add_prefix_space", json!(true)), &["add_prefix_space"]),
        case("words that are not cut", with("/pre_tokenizer/use_regex", json!(false)), &["use_regex"]),
        case("an added token without id", with("/added_tokens", json!([{"content": "<pad>"}])), &["id"]),
        case("an added token that is empty", with("/added_tokens", json!([{"id": 6, "content": ""}])), &["added token 6 is empty"]),
        case("an added token far away", with("/added_tokens", json!([{"id": 1_000_000, "content": "<pad>"}])), &["7 tokens", "1000000"]),
        case("an added token with another's id", with("/added_tokens", json!([{"id": 0, "content": "<pad>"}])), &["<pad>"]),
        case("an added token with two ids", with("/added_tokens", json!([{"id": 6, "content": "a"}])), &["\"a\"", "0 and 6"]),
        case("an added token twice", with("/added_tokens", json!([{"id": 6, "content": "x"}, {"id": 6, "content": "x"}])), &["\"x\"", "twice"]),
        case(
            "thousands of added tokens",
            with("/added_tokens", (0..2000).map(|id| json!({"id": 6 + id, "content": format!("<{id}>")})).collect()),
            &["2000 added tokens"],
        ),
    ];
    let count = all_refused("LAB-BAD-FILE", cases, |file| Tokenizer::from_json(file).map(drop));
    assert!(count >= 20, "{count}");
}

#[test]
fn hostile_vocabularies_and_merges() {
    let good = vocab().to_string().into_bytes();
    let pair = |vocab: &[u8], merges: &[u8]| (vocab.to_vec(), merges.to_vec());
    let million: String = (0..=1 << 20).map(|id| format!("\"{id}\":{id},")).collect();
    let cases = vec![
        case("no vocabulary", pair(b"", b""), &["vocab.json", "EOF"]),
        case("a vocabulary that is a web page", pair(b"<!doctype html>", b""), &["vocab.json is a web page"]),
        case("a vocabulary that is a list", pair(b"[\"a\"]", b""), &["vocab.json"]),
        case("a token twice", pair(br#"{"a": 0, "a": 1}"#, b""), &["vocab.json", "\"a\"", "twice"]),
        case("more than 2^20 tokens", pair(format!("{{{million}\"x\":0}}").as_bytes(), b""), &["1048576"]),
        case("an id that is a list", pair(br#"{"a": [0]}"#, b""), &["vocab.json"]),
        case("ids with a gap", pair(br#"{"<|endoftext|>": 1}"#, b""), &["1 tokens", "id 1"]),
        case("no end of text", pair(br#"{"a": 0}"#, b""), &["no <|endoftext|>"]),
        case("merges that are a web page", pair(&good, b"  <html>"), &["merges.txt is a web page"]),
        case("merges that are no UTF-8", pair(&good, b"a b\n\xff\xfe"), &["merges.txt", "UTF-8", "byte 4"]),
        case("merges in UTF-16", pair(&good, b"\xff\xfea\0 \0b\0"), &["merges.txt", "UTF-8"]),
        case("merges that are JSON", pair(&good, b"[[\"a\", \"b\"]]"), &["lacks"]),
        case("a merge of one word", pair(&good, b"ab\n"), &["no pair"]),
        case("a merge of three words", pair(&good, b"a b ab\n"), &["\"b ab\""]),
        case("a merge with two spaces", pair(&good, b"a  b\n"), &["\" b\""]),
        case("a merge that ends with a space", pair(&good, b"a \n"), &["joins nothing"]),
        case("a merge with a tab", pair(&good, b"a\tb\n"), &["no pair"]),
        case("a merge twice", pair(&good, b"a b\na b\n"), &["twice"]),
        case("a merge of unknown pieces", pair(&good, b"x y\n"), &["\"x\""]),
        case("zeros", pair(&good, &[0; 1000]), &["no pair", "…"]),
        case("more than 16 megabytes", pair(&good, &vec![b'\n'; (16 << 20) + 1]), &["merges.txt", "16777217"]),
    ];
    let count = all_refused("LAB-BAD-FILE", cases, |(vocab, merges)| Tokenizer::from_vocab_merges(vocab, merges).map(drop));
    assert!(count >= 20, "{count}");
}

/// A tokenizer or an error, never a panic; and what a tokenizer cuts apart, it puts together again.
#[test]
fn spoilt_files_end_in_an_error_or_a_tokenizer() {
    let (mut read, mut refused) = (0, 0);
    let mut end = |made: sae_lab::Result<Tokenizer>| match made {
        Ok(tokenizer) => {
            let text = "ab abba";
            if let Ok(ids) = tokenizer.encode(text, false) {
                assert_eq!(tokenizer.decode(&ids), text);
            }
            read += 1;
        }
        Err(error) => {
            assert_eq!(error.code, "LAB-BAD-FILE");
            assert!(error.message.len() < 1000);
            refused += 1;
        }
    };
    spoilt(&with("/version", json!("1.0")), 3000, |file| end(Tokenizer::from_json(&file)));
    let (vocab, merges) = (vocab().to_string().into_bytes(), "a b\nĠ ab\n".as_bytes());
    spoilt(&vocab, 1000, |file| end(Tokenizer::from_vocab_merges(&file, merges)));
    spoilt(merges, 1000, |file| end(Tokenizer::from_vocab_merges(&vocab, &file)));
    assert!(read > 100 && refused > 1000, "{read} were read, {refused} refused");
}

#[test]
fn a_thousand_texts_come_back_as_they_were() {
    let folder = "tests/reference/models/random";
    let tokenizer = Tokenizer::from_json(&bytes(&format!("{folder}/tokenizer.json"))).unwrap();
    let mut state = 7u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) % below
    };
    for _ in 0..1000 {
        let length = random(60);
        let text: String = (0..length)
            .filter_map(|_| match random(4) {
                0 => char::from_u32(random(128)),
                1 => char::from_u32(random(0x800)),
                2 => char::from_u32(random(0x110000)),
                _ => Some(['e', ' ', 't', 'h', '\n', '\'', '<', '|'][random(8) as usize]),
            })
            .collect();
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text, false).unwrap()), text);
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text, true).unwrap()), format!("<|endoftext|>{text}"));
    }
}

trait ReplaceAll {
    fn replace_all(self, from: &str, to: &str) -> Self;
}

impl ReplaceAll for Vec<u8> {
    fn replace_all(self, from: &str, to: &str) -> Self {
        String::from_utf8(self).unwrap().replace(from, to).into_bytes()
    }
}

//! Ids, decoded and raw tokens, against Hugging Face's tokenizers.

use sae_lab::tokenizer::Tokenizer;

use crate::support::{bytes, ids, json, model_folder, strings};

fn agrees(name: &str, tokenizer: &Tokenizer) {
    let expected = json("tokenizer");
    let cases = expected[name].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let expected = ids(&case["ids"]);
        assert_eq!(tokenizer.encode(text, false).unwrap(), expected, "{text:?}");
        let with_bos = tokenizer.encode(text, true).unwrap();
        assert_eq!((with_bos[0], &with_bos[1..]), (tokenizer.end_of_text, &expected[..]), "{text:?}");
        let shown: Vec<String> = expected.iter().map(|&id| tokenizer.decode_token(id)).collect();
        assert_eq!(shown, strings(&case["shown"]), "{text:?}");
        let raw: Vec<String> = expected.iter().map(|&id| tokenizer.raw(id)).collect();
        assert_eq!(raw, strings(&case["raw"]), "{text:?}");
        assert_eq!(tokenizer.decode(&expected), text);
    }
}

#[test]
fn tiny_tokenizer_json() {
    let folder = model_folder("tiny");
    agrees("tiny", &Tokenizer::from_json(&bytes(&format!("{folder}/tokenizer.json"))).unwrap());
}

#[test]
fn random_tokenizer_json_and_vocab_with_merges() {
    let folder = model_folder("random");
    let file = |name: &str| bytes(&format!("{folder}/{name}"));
    agrees("random", &Tokenizer::from_json(&file("tokenizer.json")).unwrap());
    agrees("random", &Tokenizer::from_vocab_merges(&file("vocab.json"), &file("merges.txt")).unwrap());
}

#[test]
fn a_hundred_thousand_characters_are_tokenised() {
    let tokenizer = Tokenizer::from_json(&bytes("www/models/tiny/tokenizer.json")).unwrap();
    let text = "The weather today is cold. ".repeat(4000);
    let ids = tokenizer.encode(&text, false).unwrap();
    assert_eq!(tokenizer.decode(&ids), text);
    let one_word = "a".repeat(100_000);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&one_word, false).unwrap()), one_word);
}

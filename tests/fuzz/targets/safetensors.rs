//! The header of a safetensors file, of a length that is known or not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sae_lab_fuzz::check_refusal;
use sae_lab_fuzz::files::{Header, head_length};

fuzz_target!(|file: &[u8]| {
    // The first two bytes choose how much data follows the header, so that small inputs describe whole files.
    let Some((&[a, b], head)) = file.split_first_chunk::<2>() else { return };
    let length = head.len() as u64 + u64::from(u16::from_le_bytes([a, b]));
    match head_length("file", head, length).and_then(|_| Header::parse("file", head, length)) {
        Ok(header) => {
            let mut tensors: Vec<_> = header.tensors.values().collect();
            tensors.sort_by_key(|t| (t.start, t.end));
            let data: u64 = tensors.iter().map(|t| t.end - t.start).sum();
            assert_eq!(tensors.first().map_or(length, |t| t.start) + data, length);
            for tensor in tensors {
                let size = tensor.shape.iter().product::<usize>() * tensor.stored.bytes();
                assert_eq!(size as u64, tensor.end - tensor.start);
            }
        }
        Err(error) => check_refusal(&error),
    }
});

//! Small GGUF files made by hand.

pub const F32: u32 = 0;
pub const Q4_K: u32 = 12;

/// A file with this architecture, metadata numbers, and one tensor of 256 by 4.
pub fn gguf(architecture: &str, numbers: &[(&str, u32)], tensor: &str, ggml_type: u32) -> Vec<u8> {
    let mut bytes = header(1 + numbers.len() as u64, 1);
    bytes.extend(
        [string("general.architecture"), 8_u32.to_le_bytes().to_vec(), string(architecture)].concat(),
    );
    for (key, number) in numbers {
        bytes.extend([string(key), 4_u32.to_le_bytes().to_vec(), number.to_le_bytes().to_vec()].concat());
    }
    bytes.extend(string(tensor));
    bytes.extend(2_u32.to_le_bytes());
    bytes.extend([256_u64.to_le_bytes(), 4_u64.to_le_bytes()].concat());
    bytes.extend(ggml_type.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    // More than either type needs.
    bytes.extend([1; 4 * 256 * 4]);
    bytes
}

/// A file that holds nothing.
pub fn bare() -> Vec<u8> {
    header(0, 0)
}

/// A model's file with a chat template, which none of the bundled models has.
pub fn with_chat_template(model: &[u8]) -> Vec<u8> {
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                        <|im_start|>assistant\n";
    with_text(model, "tokenizer.chat_template", template)
}

/// A model's file with one more text in its metadata, which blanks may follow.
pub fn with_text(model: &[u8], key: &str, text: &str) -> Vec<u8> {
    let mut text = text.to_owned();
    let entry = |text: &str| [string(key), 8_u32.to_le_bytes().to_vec(), string(text)].concat();
    // Tensors stay aligned when what comes before them grows by a multiple of the alignment.
    while !entry(&text).len().is_multiple_of(32) {
        text.push(' ');
    }
    let entries = u64::from_le_bytes(model[16..24].try_into().unwrap());
    [&model[..16], &(entries + 1).to_le_bytes(), &entry(&text), &model[24..]].concat()
}

fn header(entries: u64, tensors: u64) -> Vec<u8> {
    [&b"GGUF"[..], &3_u32.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes()].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

//! Numbers in decimals, without the machinery of `core::fmt`: several go into every request.

/// As many digits as a number can have.
const MOST: usize = 20;

/// The digits of a number.
pub struct Digits {
    text: [u8; MOST],
    from: usize,
}

impl Digits {
    /// Of a number, with at least so many; zeros come first.
    pub fn of(mut number: u64, least: usize) -> Self {
        let mut text = [b'0'; MOST];
        let mut from = MOST;
        while number > 0 {
            from -= 1;
            text[from] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Self { text, from: from.min(MOST - least) }
    }

    /// As bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.from..]
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_fmt_writes() {
        for number in [0, 7, 10, 99, 1_732_505_000_123, u64::MAX] {
            assert_eq!(Digits::of(number, 1).as_str(), number.to_string());
            assert_eq!(Digits::of(number, 6).as_str(), format!("{number:06}"));
        }
    }
}

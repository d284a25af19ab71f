//! Processors.

/// The processors that an image or an instance type is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit processors of Intel and AMD.
    X86,
    /// 64-bit processors of Arm.
    Arm,
}

impl Architecture {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }
}

//! Finds where the running kernel keeps a field: a reader of the kernel's own type information (BTF).
//! It knows structs, their members and function arguments, nothing else, and is dropped after start.
//!
//! Format: Documentation/bpf/btf.rst.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Where the kernel shows its types.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Distribution kernels have 5 to 12 MB; a larger file is refused, not read.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Types in a file; kernels have about 150,000.
const MAX_TYPES: usize = 1 << 20;
/// Typedefs and qualifiers between a member and its struct, and unnamed structs in one another.
const MAX_DEPTH: u32 = 16;

pub(crate) const MAGIC: u16 = 0xeb9f;
pub(crate) const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;
const MEMBER_BYTES: usize = 12;

const KIND_PTR: u32 = 2;
pub(crate) const KIND_STRUCT: u32 = 4;
pub(crate) const KIND_UNION: u32 = 5;
pub(crate) const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_TYPE_TAG: u32 = 18;

/// Why a field could not be found.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file is missing (a kernel without `CONFIG_DEBUG_INFO_BTF`) or unreadable.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Larger than any kernel's.
    #[error("{}: larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// Not BTF, or cut short.
    #[error("type information is damaged at byte {at}")]
    Damaged { at: usize },
    /// No struct of that name has that field.
    #[error("this kernel has no field {field}")]
    Missing { field: String },
    /// Two structs of one name disagree.
    #[error("this kernel has two different {field}")]
    Ambiguous { field: String },
}

/// The kernel's types, with the place of each.
pub struct KernelBtf {
    bytes: Vec<u8>,
    strings: usize,
    /// Byte offset of type 1, 2, ...
    types: Vec<u32>,
}

/// A type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    count: usize,
    /// For structs: member offsets carry a bit-field size in their top byte.
    flag: bool,
    /// The type referred to, or the size.
    target: u32,
}

impl KernelBtf {
    /// Reads the running kernel's types.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        let read_error = |source| BtfError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        if length > MAX_FILE_BYTES {
            return Err(BtfError::TooLarge { path: path.to_path_buf() });
        }
        let mut bytes = Vec::with_capacity(length as usize + 1);
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(read_error)?;
        Self::parse(bytes)
    }

    /// Reads types from a file's bytes.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let word = |at| read_u32(&bytes, at);
        let magic = word(0)? & 0xffff;
        let header = word(4)? as usize;
        if magic != u32::from(MAGIC) || header < HEADER_BYTES {
            return Err(BtfError::Damaged { at: 0 });
        }
        let first = header + word(8)? as usize;
        let end = first + word(12)? as usize;
        let strings = header + word(16)? as usize;
        if end > bytes.len() || strings + word(20)? as usize > bytes.len() {
            return Err(BtfError::Damaged { at: bytes.len() });
        }
        let mut btf = Self { bytes, strings, types: Vec::new() };
        let mut at = first;
        while at < end {
            let info = btf.read_type(at)?;
            let tail = tail_bytes(&info).ok_or(BtfError::Damaged { at })?;
            if btf.types.len() == MAX_TYPES {
                return Err(BtfError::Damaged { at });
            }
            btf.types.push(at as u32);
            at += TYPE_BYTES + tail;
        }
        Ok(btf)
    }

    /// The byte offset of a field such as `task_struct.se.sum_exec_runtime`, through embedded structs
    /// and unnamed ones. The last name may be of any type but a bit-field.
    pub fn offset(&self, field: &str) -> Result<u32, BtfError> {
        let (name, path) =
            field.split_once('.').ok_or_else(|| BtfError::Missing { field: field.to_owned() })?;
        let mut found: Option<u32> = None;
        for &at in &self.types {
            let info = self.read_type(at as usize)?;
            if info.kind != KIND_STRUCT || !self.name_is(info.name, name) {
                continue;
            }
            // A struct of this name without the field is somebody else's (drivers re-use names).
            let Some(bits) = self.find_in(&info, path, 0)? else { continue };
            match found {
                Some(other) if other != bits => {
                    return Err(BtfError::Ambiguous { field: field.to_owned() });
                }
                _ => found = Some(bits),
            }
        }
        match found {
            Some(bits) if bits % 8 == 0 => Ok(bits / 8),
            _ => Err(BtfError::Missing { field: field.to_owned() }),
        }
    }

    /// The first of several names that the kernel has: fields are renamed now and then.
    pub fn first_offset(&self, fields: &[&str]) -> Result<u32, BtfError> {
        let mut last = BtfError::Missing { field: fields.join(" or ") };
        for field in fields {
            match self.offset(field) {
                Err(BtfError::Missing { .. }) => {}
                Err(other) => last = other,
                found => return found,
            }
        }
        Err(last)
    }

    /// How many arguments the tracepoint passes to a program.
    pub fn tracepoint_arguments(&self, tracepoint: &str) -> Result<usize, BtfError> {
        let id = self.tracepoint_type(tracepoint)?;
        let pointer = self.resolve(self.type_by_id(id)?.target)?;
        let proto = if pointer.kind == KIND_PTR { self.resolve(pointer.target)? } else { pointer };
        if proto.kind != KIND_FUNC_PROTO {
            return Err(BtfError::Damaged { at: proto.at });
        }
        // The first is the kernel's own (`void *`), which programs do not see.
        Ok(proto.count.saturating_sub(1))
    }

    /// The type id by which the kernel knows a tracepoint.
    pub fn tracepoint_type(&self, tracepoint: &str) -> Result<u32, BtfError> {
        let name = format!("btf_trace_{tracepoint}");
        for (index, &at) in self.types.iter().enumerate() {
            let info = self.read_type(at as usize)?;
            if info.kind == KIND_TYPEDEF && self.name_is(info.name, &name) {
                return Ok(index as u32 + 1);
            }
        }
        Err(BtfError::Missing { field: name })
    }

    /// The offset in bits of a path inside a struct or union; `None` if it has no such field.
    fn find_in(&self, outer: &Type, path: &str, depth: u32) -> Result<Option<u32>, BtfError> {
        if depth > MAX_DEPTH || !matches!(outer.kind, KIND_STRUCT | KIND_UNION) {
            return Ok(None);
        }
        let (name, rest) = path.split_once('.').map_or((path, None), |(n, r)| (n, Some(r)));
        for index in 0..outer.count {
            let at = outer.at + TYPE_BYTES + index * MEMBER_BYTES;
            let (member, target, offset) = (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            let (bits, width) =
                if outer.flag { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            let inner = if member == 0 {
                self.find_in(&self.resolve(target)?, path, depth + 1)?
            } else if !self.name_is(member, name) || width != 0 {
                None
            } else if let Some(rest) = rest {
                self.find_in(&self.resolve(target)?, rest, depth + 1)?
            } else {
                Some(0)
            };
            if let Some(inner) = inner {
                return Ok(Some(bits + inner));
            }
        }
        Ok(None)
    }

    /// The type behind typedefs and qualifiers.
    fn resolve(&self, id: u32) -> Result<Type, BtfError> {
        let mut info = self.type_by_id(id)?;
        for _ in 0..MAX_DEPTH {
            match info.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    info = self.type_by_id(info.target)?;
                }
                _ => break,
            }
        }
        Ok(info)
    }

    fn type_by_id(&self, id: u32) -> Result<Type, BtfError> {
        let at = (id as usize).checked_sub(1).and_then(|index| self.types.get(index));
        match at {
            Some(&at) => self.read_type(at as usize),
            // `void`: no members, no target.
            None => Ok(Type { at: 0, name: 0, kind: 0, count: 0, flag: false, target: 0 }),
        }
    }

    fn read_type(&self, at: usize) -> Result<Type, BtfError> {
        let info = self.word(at + 4)?;
        Ok(Type {
            at,
            name: self.word(at)?,
            kind: (info >> 24) & 0x1f,
            count: (info & 0xffff) as usize,
            flag: info >> 31 == 1,
            target: self.word(at + 8)?,
        })
    }

    fn word(&self, at: usize) -> Result<u32, BtfError> {
        read_u32(&self.bytes, at)
    }

    fn name_is(&self, offset: u32, name: &str) -> bool {
        let start = self.strings + offset as usize;
        let end = start + name.len();
        self.bytes.get(start..end) == Some(name.as_bytes()) && self.bytes.get(end) == Some(&0)
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    match bytes.get(at..at + 4) {
        // The kernel writes its own byte order, which is ours.
        Some(&[a, b, c, d]) => Ok(u32::from_ne_bytes([a, b, c, d])),
        _ => Err(BtfError::Damaged { at }),
    }
}

/// What follows a type's fixed part, by kind; `None` for a kind this reader does not know.
fn tail_bytes(info: &Type) -> Option<usize> {
    Some(match info.kind {
        // int, var, decl_tag
        1 | 14 | 17 => 4,
        // array
        3 => 12,
        // struct, union, datasec, enum64
        4 | 5 | 15 | 19 => info.count * 12,
        // enum, func_proto
        6 | 13 => info.count * 8,
        // ptr, fwd, typedef, volatile, const, restrict, func, float, type_tag
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

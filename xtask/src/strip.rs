//! Takes the debug information out of an object and leaves the BTF, which the kernel wants.

use anyhow::{Context, Result};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// Sections for debuggers; relocations of theirs have `.rel` in front.
const DEBUG: &str = ".debug_";

/// The object without what only debuggers read.
pub(crate) fn strip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(bytes).context("the built object is not ELF")?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        let bare = name.strip_prefix(".rel").unwrap_or(&name);
        // The BTF's own relocations are to places in sections that the loader finds by name.
        section.delete = bare.starts_with(DEBUG) || name.starts_with(".rel.BTF");
    }
    builder.delete_orphans();
    // LLVM keeps both kinds of names in one table; the writer wants two.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("cannot write the stripped object")?;
    Ok(stripped)
}

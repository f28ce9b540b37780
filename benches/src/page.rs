//! The page: each section of the table stands between two lines of its own, so that one can be refreshed alone.

use std::path::Path;

use anyhow::{Context, ensure};

/// Replaces what stands between a section's two lines; the rest of the page stays, byte for byte.
pub(crate) fn write(path: &Path, section: &str, text: &str) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let page = replaced(&page, section, text).with_context(|| path.display().to_string())?;
    std::fs::write(path, page).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("{section}: written into {}", path.display());
    Ok(())
}

/// Whether there is a place for a section; asked before hours are spent on measuring it.
pub(crate) fn check(path: &Path, section: &str) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    replaced(&page, section, "").with_context(|| path.display().to_string()).map(drop)
}

fn replaced(page: &str, section: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {section}: begin -->"), format!("<!-- {section}: end -->"));
    let missing = || format!("there is no place for {section}: add the lines {begin} and {end}");
    let (before, rest) = page.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    ensure!(!after.contains(&begin), "{begin} stands there twice");
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nbetween\n<!-- b: begin -->\n<!-- b: end -->\nafter\n";

    #[test]
    fn only_the_section_is_replaced() {
        let once = replaced(PAGE, "a", "| new |\n").unwrap();
        assert_eq!(once, PAGE.replace("old", "| new |"));
        assert_eq!(replaced(&once, "a", "| new |").unwrap(), once);
    }

    #[test]
    fn a_page_without_its_place_is_not_written() {
        let error = format!("{:#}", replaced(PAGE, "c", "x").unwrap_err());
        assert!(error.contains("<!-- c: begin -->"), "{error}");
        assert!(replaced("<!-- a: begin -->", "a", "x").is_err());
        assert!(replaced(&format!("{PAGE}{PAGE}"), "a", "x").is_err());
    }
}

//! Alibaba's openb (clusterdata, cluster-trace-gpu-v2023): nodes, and what pods requested, with real waits; no use.

use super::{Place, TraceError, csv::fault, source};
use ::csv as table;
use std::path::Path;

/// One pod: what it asked for, when it came, was scheduled and went.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// What the trace calls it.
    pub name: String,
    /// Processors asked for, in thousandths.
    pub cpus_milli: u64,
    /// Memory asked for.
    pub memory_mib: u64,
    /// Whole GPUs asked for.
    pub gpus: u64,
    /// Of each of them, how much, in thousandths.
    pub gpu_milli: u64,
    /// LS, BE, Burstable or Guaranteed.
    pub qos: String,
    /// When it was asked for, in seconds since the trace began.
    pub created_s: i64,
    /// When it was placed; absent if it never was.
    pub scheduled_s: Option<i64>,
    /// When it went; absent if it never did.
    pub deleted_s: Option<i64>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What the trace calls it.
    pub name: String,
    /// Its processors, in thousandths.
    pub cpus_milli: u64,
    /// Its memory.
    pub memory_mib: u64,
    /// Its GPUs.
    pub gpus: u64,
}

/// Reads all pods, in the order of the file.
pub fn read_pods(path: &Path) -> Result<Vec<Pod>, TraceError> {
    read_rows(path, "pod", pod)
}

/// Reads all nodes, in the order of the file.
pub fn read_nodes(path: &Path) -> Result<Vec<Node>, TraceError> {
    read_rows(path, "node", node)
}

fn read_rows<T>(
    path: &Path,
    what: &str,
    of: impl Fn(&Row<'_>) -> Result<T, TraceError>,
) -> Result<Vec<T>, TraceError> {
    let file = path.display().to_string();
    let mut rows =
        table::ReaderBuilder::new().trim(table::Trim::All).from_reader(source::open(path)?);
    let header = rows.headers().map_err(|error| fault(&file, 0, error))?.clone();
    let mut all = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|error| fault(&file, 1 + all.len() as u64, error))?;
        let line = row.position().map_or(0, table::Position::line);
        all.push(of(&Row { header: &header, row: &row, place: Place { file: &file, line } })?);
    }
    if all.is_empty() {
        return Err(TraceError::File { file, what: format!("no {what} in it") });
    }
    Ok(all)
}

struct Row<'a> {
    header: &'a table::StringRecord,
    row: &'a table::StringRecord,
    place: Place<'a>,
}

impl Row<'_> {
    fn text(&self, column: &str) -> Result<&str, TraceError> {
        let at = self.header.iter().position(|name| name == column);
        let at = at.ok_or_else(|| self.place.fault(format_args!("no column `{column}`")))?;
        Ok(&self.row[at])
    }

    /// A whole number; zero when the field is empty.
    fn amount(&self, column: &str) -> Result<u64, TraceError> {
        Ok(self.whole(column)?.unwrap_or_default().unsigned_abs())
    }

    /// A whole number; absent when the field is empty.
    fn whole(&self, column: &str) -> Result<Option<i64>, TraceError> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        let number = self.place.number(column, text)?;
        if number >= 0.0 && number < i64::MAX as f64 {
            return Ok(Some(number as i64));
        }
        Err(self.place.fault(format_args!("{column}: `{text}` is negative or too large")))
    }
}

fn node(row: &Row<'_>) -> Result<Node, TraceError> {
    Ok(Node {
        name: row.text("sn")?.to_owned(),
        cpus_milli: row.amount("cpu_milli")?,
        memory_mib: row.amount("memory_mib")?,
        gpus: row.amount("gpu")?,
    })
}

fn pod(row: &Row<'_>) -> Result<Pod, TraceError> {
    let amount = |column: &str| row.amount(column);
    Ok(Pod {
        name: row.text("name")?.to_owned(),
        cpus_milli: amount("cpu_milli")?,
        memory_mib: amount("memory_mib")?,
        gpus: amount("num_gpu")?,
        gpu_milli: amount("gpu_milli")?,
        qos: row.text("qos")?.to_owned(),
        created_s: row
            .whole("creation_time")?
            .ok_or_else(|| row.place.fault("no creation_time"))?,
        scheduled_s: row.whole("scheduled_time")?,
        deleted_s: row.whole("deletion_time")?,
    })
}

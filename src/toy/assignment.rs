//! The best one-to-one assignment: the Hungarian method, as shortest augmenting paths (Jonker & Volgenant 1987; scipy's `linear_sum_assignment`).

use super::pace::Pace;
use crate::error::Result;
use crate::progress::{Checkpoint, Progress};

/// For each row, of which there are no more than columns, a column of its own, so that the sum of the `cost(row, column)` is least.
///
/// Row by row, the rows before keep their columns or give them up along the cheapest chain of exchanges. Two numbers per row and column
/// (dual potentials) make every remaining cost 0 or more, and those of the assignment 0.
pub async fn assign(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64, pause: &impl Checkpoint) -> Result<Vec<usize>> {
    let mut of_row = vec![0.0; rows];
    let mut of_column = vec![0.0; columns];
    let mut row_at: Vec<Option<usize>> = vec![None; columns];
    let (mut distance, mut before, mut visited) = (vec![0.0; columns], vec![None; columns], vec![false; columns]);
    let mut pace = Pace::default();
    for start in 0..rows {
        distance.fill(f64::INFINITY);
        before.fill(None);
        visited.fill(false);
        // Dijkstra's search from the new row for the nearest free column.
        let (mut row, mut from, mut reached) = (start, None, 0.0);
        let end = loop {
            let mut nearest: Option<usize> = None;
            for column in (0..columns).filter(|&c| !visited[c]) {
                let through = reached + cost(row, column) - of_row[row] - of_column[column];
                if through < distance[column] {
                    distance[column] = through;
                    before[column] = from;
                }
                if nearest.is_none_or(|n| distance[column] < distance[n]) {
                    nearest = Some(column);
                }
            }
            pace.pay(columns, || Progress::Analyse { done: start, total: rows }, pause).await?;
            // With at most as many rows as columns a free one is always left.
            let Some(column) = nearest else { break None };
            visited[column] = true;
            reached = distance[column];
            match row_at[column] {
                Some(taken) => (row, from) = (taken, Some(column)),
                None => break Some(column),
            }
        };
        let Some(end) = end else { continue };
        of_row[start] += reached;
        for column in (0..columns).filter(|&c| visited[c] && c != end) {
            of_column[column] -= reached - distance[column];
            if let Some(row) = row_at[column] {
                of_row[row] += reached - distance[column];
            }
        }
        // Every column on the path takes the row of the one before it; the first takes the new row.
        let mut column = end;
        while let Some(previous) = before[column] {
            row_at[column] = row_at[previous];
            column = previous;
        }
        row_at[column] = Some(start);
    }
    let mut column_of = vec![0; rows];
    for (column, row) in row_at.iter().enumerate() {
        if let Some(row) = *row {
            column_of[row] = column;
        }
    }
    Ok(column_of)
}

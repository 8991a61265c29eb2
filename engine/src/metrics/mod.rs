//! Counters and histograms of each core, gathered on demand.

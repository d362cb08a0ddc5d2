//! Proofs on the real program, from outside: it is started as a process, spoken to as people and systems do, killed, and
//! looked at again.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backtest;
#[cfg(test)]
mod brief;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod correction;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod forecast;
#[cfg(test)]
mod gauges;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod import;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod personal_data;
#[cfg(test)]
mod publishing;
#[cfg(test)]
mod purchases;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod runtime_role;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod scoring;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod two_processes;
#[cfg(test)]
mod walkthrough;

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
mod faults;
#[cfg(test)]
mod forecast;
#[cfg(test)]
mod gauges;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod runtime_role;

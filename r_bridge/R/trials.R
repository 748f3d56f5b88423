# cbind(successes, failures) ~ x: proportions, which count as often as they have trials.

# The proportion of successes of each row, and the number of its trials.
read_trials <- function(y, name, where, units) {
  refuse <- function(bad, what, advice) {
    rows <- which(bad)
    synth_stop(sprintf(
      "%s: the outcome '%s' has %s (%s). %s", where, name, what, name_units(units(rows)),
      advice
    ))
  }
  y <- matrix(as.double(y), nrow(y))
  bad <- !is.finite(rowSums(y)) | y[, 1L] < 0 | y[, 2L] < 0
  if (any(bad)) {
    refuse(bad, "counts that are not finite and 0 or above", "Correct them.")
  }
  total <- y[, 1L] + y[, 2L]
  if (any(total == 0)) {
    refuse(total == 0, "no trial", "Leave these rows out, or make them missing.")
  }
  list(share = y[, 1L] / total, trials = total)
}

# NULL where the outcome has one column.
trials_of <- function(y, learned, where, units) {
  if (!has_trials(y, learned$target)) {
    return(NULL)
  }
  read_trials(y, deparse1(learned$formula[[2L]]), where, units)$trials
}

has_trials <- function(y, target) {
  identical(NCOL(y), 2L) && !inherits(y, "Surv") && (is.numeric(y) || is.logical(y)) &&
    !has_levels(target) &&
    target$family$family %in% c("binomial", "quasibinomial")
}

# Weights of the units, times their trials. A weight belongs to the unit, so that all that
# is said of it counts alike: a source has to have as many trials as the labels of the
# same units, as it has where `n` of cbind(yes, n - yes) is a column of data.
weighted_by_trials <- function(design) {
  own <- design$labels$trials
  if (is.null(own)) {
    return(design)
  }
  labelled <- which(design$labeled == 1L)
  trials <- rep(NA_real_, length(design$labeled))
  trials[labelled] <- own
  for (source in design$sources) {
    at <- if (is.null(source$units)) seq_along(trials) else source$units
    empty <- is.na(trials[at])
    first <- empty & !duplicated(at)
    trials[at[first]] <- source$trials[first]
    # To rounding: s and n - s add up to n.
    differs <- which(abs(trials[at] - source$trials) > 1e-8 * trials[at])
    if (length(differs)) {
      row <- differs[[1L]]
      synth_stop(sprintf(
        paste(
          "Source '%s' has another number of trials than data or another row for %s (%s),",
          "such as %s and %s. A unit has one number of trials, known of all units: write",
          "cbind(s, n - s) with a column n of data, and give the share p of a source as",
          "p * n; or give one row per trial, or proportions with weights."
        ), source$name, count(length(unique(at[differs])), "unit"),
        name_units(design$units[at[differs]]), format(source$trials[[row]]),
        format(trials[at[row]])
      ))
    }
  }
  # Nothing is known of these, and nothing asked: their weight is that of the others.
  trials[is.na(trials)] <- mean(trials, na.rm = TRUE)
  design$weights <- if (is.null(design$weights)) trials else design$weights * trials
  design
}

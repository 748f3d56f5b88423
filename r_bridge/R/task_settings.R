# Options of task_exchangeability(), checked as far as R must; what they mean is
# Python's.

task_settings <- function(algorithm, alpha, alphas, interval, weights, bandwidth,
                          bounds, n_boot, seed) {
  list(
    algorithm = if (is_string(algorithm)) algorithm else one_number(algorithm, "algorithm"),
    alpha = optional_number(alpha, "alpha"),
    alphas = some_numbers(alphas, "alphas"),
    interval = some_names(interval, "interval"),
    weights = if (is_bare_string(weights)) {
      utf8(weights, "weights")
    } else if (!is.null(weights)) {
      task_values(weights, "weights")
    },
    bandwidth = one_number(bandwidth, "bandwidth"),
    bounds = some_numbers(bounds, "bounds"),
    n_boot = whole_number(n_boot, "n_boot"),
    seed = whole_number(seed, "seed")
  )
}

one_number <- function(value, name) {
  if (!is.numeric(value) || length(value) != 1L || is.na(value)) {
    synth_stop(
      sprintf("%s = %s is not a number.", name, deparsed(value)), "OptionError"
    )
  }
  as.double(value)
}

whole_number <- function(value, name) {
  number <- one_number(value, name)
  if (!is.finite(number) || number != round(number) || abs(number) > 2^53) {
    synth_stop(
      sprintf("%s = %s is not a whole number.", name, deparsed(value)), "OptionError"
    )
  }
  number
}

some_numbers <- function(value, name) {
  if (is.null(value)) {
    return(NULL)
  }
  if (!is.numeric(value) || anyNA(value)) {
    synth_stop(
      sprintf(
        "%s = %s %s.", name, deparsed(value),
        if (length(value) == 1L) "is not a number" else "are not all numbers"
      ),
      "OptionError"
    )
  }
  as.double(value)
}

# Options of task_exchangeability(), checked as far as R must; what they mean is
# Python's.

task_settings <- function(algorithm, alpha, alphas, interval, weights, bandwidth,
                          bounds, n_boot, seed, known) {
  if (length(algorithm) != 1L ||
    !(identical(algorithm, "finite") ||
      (is.numeric(algorithm) && algorithm %in% 1:2))) {
    synth_stop(
      sprintf(
        "algorithm = %s does not exist. Give 1, 2 or \"finite\".", deparsed(algorithm)
      ),
      "OptionError"
    )
  }
  if (!is.null(interval) && (!is.character(interval) || length(interval) != 1L)) {
    synth_stop(
      sprintf("interval = %s does not exist. Give one name.", deparsed(interval)),
      "OptionError"
    )
  }
  list(
    algorithm = if (is.numeric(algorithm)) as.integer(algorithm) else algorithm,
    alpha = one_number(whole_alpha(alpha, alphas), "alpha"),
    alphas = some_numbers(alphas, "alphas"),
    interval = if (!is.null(interval)) utf8(interval, "interval"),
    weights = task_weights(weights, known),
    bandwidth = one_number(bandwidth, "bandwidth"),
    bounds = some_numbers(bounds, "bounds"),
    n_boot = whole_number(n_boot, "n_boot"),
    seed = whole_number(seed, "seed")
  )
}

# What `alphas` add up to, where it is not said.
whole_alpha <- function(alpha, alphas) {
  if (!is.null(alpha)) {
    return(alpha)
  }
  if (is.null(alphas)) 0.10 else round(sum(some_numbers(alphas, "alphas")), 12L)
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

# The name of a kernel, or numbers: in the order of the tasks, or matched by name.
task_weights <- function(weights, known) {
  if (is.null(weights)) {
    return(NULL)
  }
  if (is.character(weights) && length(weights) == 1L && is.null(names(weights))) {
    return(utf8(weights, "weights"))
  }
  if (!is.numeric(weights) || is.object(weights) || anyNA(weights)) {
    synth_stop(
      "weights must be numbers, one for each historical task, or \"gaussian\".",
      "OptionError"
    )
  }
  if (is.null(names(weights))) {
    return(list(values = as.double(weights), named = 0L))
  }
  list(values = by_name(weights, known, "weights"), named = 1L)
}

# Named numbers in the order of the tasks; NaN where a task has none.
by_name <- function(values, known, what) {
  known <- label_text(known)
  unknown <- setdiff(names(values), known)
  if (length(unknown)) {
    synth_stop(
      sprintf(
        "%s names %s, which is no task.%s", what, format_units(unknown),
        suggest(unknown[[1L]], known)
      ),
      "AlignmentError"
    )
  }
  twice <- names(values)[duplicated(names(values))]
  if (length(twice)) {
    synth_stop(
      sprintf("%s names a task twice (%s).", what, format_units(unique(twice))),
      "AlignmentError"
    )
  }
  found <- as.double(values)[match(known, names(values))]
  found[is.na(found)] <- NaN
  found
}

# Levels of regressors that no labelled unit has: left out or merged by Python, if asked for
# (statsmodels_synth/data/rare_levels.py).

# Variables that are levels by their use in the formula, though numbers by their class.
used_as_levels <- function(formula, data, variables) {
  text <- deparse1(formula)
  Filter(function(name) {
    x <- column(data, name)
    within <- sprintf("\\b(factor|ordered)\\(\\Q%s\\E *[,)]", name)
    is.logical(x) && is.null(dim(x)) || is.numeric(x) && grepl(within, text, perl = TRUE)
  }, variables)
}

# Factors of data with the levels of sources too, which are rare then, not unknown.
with_levels_of_sources <- function(data, given, variables) {
  for (name in intersect(variables, names(data))) {
    x <- column(data, name)
    if (!is.factor(x)) {
      next
    }
    others <- lapply(given, function(source) {
      own <- if (has_frame(source)) {
        if (name %in% names(source$frame)) column(source$frame, name)
      } else if (name %in% names(source$columns)) {
        column(data, source$columns[[name]])
      }
      if (is.factor(own) || is.character(own)) unique(as.character(own))
    })
    more <- setdiff(unlist(others), c(levels(x), NA))
    if (length(more)) {
      attr(x, "levels") <- c(levels(x), more)
      data[[name]] <- x
    }
  }
  data
}

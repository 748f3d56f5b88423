# Levels of regressors that no labelled unit has: left out or merged, if asked for. What
# counts as such, and what is done, is that of statsmodels_synth/data/rare_levels.py.

settle_rare_levels <- function(frames, how, variables, missing, formula) {
  if (how == "raise") {
    return(frames)
  }
  if (how == "drop" && missing == "raise") {
    synth_stop(
      paste(
        "rare_levels = \"drop\" leaves rows out like incomplete ones, which missing =",
        "\"raise\" refuses. Set missing = \"drop\", or rare_levels = \"lump\"."
      ),
      "OptionError"
    )
  }
  text <- deparse1(formula)
  for (name in setdiff(variables$all, variables$response)) {
    x <- column(frames$data, name)
    # Numbers are levels within factor().
    as_levels <- sprintf("\\b(factor|ordered)\\(\\Q%s\\E *[,)]", name)
    if (is.factor(x) || is.character(x) || is.logical(x) && is.null(dim(x)) ||
      is.numeric(x) && grepl(as_levels, text, perl = TRUE)) {
      frames <- without_rare_levels(frames, name, how)
    }
  }
  frames
}

without_rare_levels <- function(frames, name, how) {
  labels <- as.character(column(frames$data, name)[frames$rows])
  seen <- table(labels)
  target <- if (how == "lump") {
    least <- names(seen)[seen == min(seen)]
    sort(least, method = "radix")[[1L]]
  }
  found <- character()
  places <- character()
  change <- function(x) {
    rare <- !is.na(x) & !as.character(x) %in% names(seen)
    found <<- c(found, as.character(x)[rare])
    x[rare] <- if (is.null(target)) {
      NA
    } else if (is.numeric(x)) {
      as.numeric(target)
    } else if (is.logical(x)) {
      as.logical(target)
    } else {
      target
    }
    list(x = x, rare = rare)
  }
  of_data <- change(column(frames$data, name))
  frames$data[[name]] <- of_data$x
  if (any(of_data$rare)) {
    places <- paste(count(sum(of_data$rare), "unit"), "of data")
  }
  for (m in seq_along(frames$sources)) {
    source <- frames$sources[[m]]
    own <- change(column(source$frame, name))
    source$frame[[name]] <- own$x
    # What a source takes from data is counted there.
    n <- sum(own$rare & !of_data$rare[source$units] %in% TRUE)
    if (n) {
      places <- c(places, sprintf("%s of source '%s'", count(n, "row"), source$name))
    }
    if (is.null(target) && any(own$rare)) {
      kept <- which(!own$rare)
      source$dropped <- source$dropped + sum(own$rare)
      source$frame <- take_rows(source$frame, kept)
      source$units <- source$units[kept]
    }
    frames$sources[[m]] <- source
  }
  if (length(found)) {
    warn_of_rare_levels(name, unique(found), places, target)
  }
  frames
}

warn_of_rare_levels <- function(name, levels, places, target) {
  synth_warn(
    sprintf(
      "Column '%s' has %s, which no labelled unit has (%s): %s.", name,
      format_units(levels), paste(places, collapse = ", "),
      if (is.null(target)) {
        "left out, and the coefficients are of the other units"
      } else {
        sprintf("counted as '%s', the level with the fewest labels", target)
      }
    ),
    "RareLevelWarning"
  )
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

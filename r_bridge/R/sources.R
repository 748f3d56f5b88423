# The accepted forms of `proxy` and `synthetic`, brought into one:
# list(name, kind, frame = data frame or NULL, columns = c(variable = "column") or
# NULL).

source_forms <- paste(
  "Give a data frame, a named list of data frames, or",
  "c(variable = \"column of data\") for columns of data that stand in for variables",
  "of the formula."
)

given_sources <- function(proxy, synthetic) {
  proxies <- named_sources(proxy, "proxy")
  synthetics <- named_sources(synthetic, "synthetic")
  both <- intersect(names(proxies), names(synthetics))
  c(read_sources(proxies, "proxy", both), read_sources(synthetics, "synthetic", both))
}

named_sources <- function(value, kind) {
  if (is.null(value)) {
    return(list())
  }
  if (is.data.frame(value) || is.character(value)) {
    return(stats::setNames(list(value), kind))
  }
  if (!is.list(value)) {
    synth_stop(sprintf("%s is %s. %s", kind, describe_type(value), source_forms))
  }
  if (length(value) && all(vapply(value, is_bare_string, NA))) {
    return(stats::setNames(list(unlist(value)), kind))
  }
  check_source_names(names(value), length(value), kind)
  value
}

is_bare_string <- function(x) is_string(x) && is.null(names(x))

check_source_names <- function(names, n, kind) {
  unnamed <- if (is.null(names)) n else sum(is.na(names) | names == "")
  if (unnamed) {
    synth_stop(sprintf(
      "%s has %s without a name. Name every source: %s = list(gpt4o = df).",
      kind, count(unnamed, "source"), kind
    ))
  }
  if (anyDuplicated(names)) {
    synth_stop(sprintf(
      "Two sources are named '%s'. Rename one.", names[anyDuplicated(names)]
    ))
  }
}

read_sources <- function(values, kind, both) {
  keys <- names(values)
  shown <- ifelse(keys %in% both, sprintf("%s (%s)", keys, kind), keys)
  unname(Map(function(value, key, name) {
    if (is.data.frame(value)) {
      return(list(name = name, kind = kind, frame = value, columns = NULL))
    }
    if (!is.character(value)) {
      synth_stop(sprintf(
        "Source '%s' (%s) is %s. %s", name, kind, describe_type(value), source_forms
      ))
    }
    check_stand_ins(value, name)
    list(name = name, kind = kind, frame = NULL, columns = value)
  }, values, keys, shown))
}

check_stand_ins <- function(columns, name) {
  variables <- names(columns)
  if (!length(columns) || is.null(variables) || anyNA(columns) ||
    any(is.na(variables) | variables == "")) {
    synth_stop(sprintf(
      "Source '%s' is text without a name for every column. %s", name, source_forms
    ))
  }
  if (anyDuplicated(variables)) {
    synth_stop(sprintf(
      paste(
        "Source '%s' has two columns for '%s'. Give one, or name two sources:",
        "list(a = c(%s = \"...\"), b = c(%s = \"...\"))."
      ),
      name, variables[anyDuplicated(variables)], variables[anyDuplicated(variables)],
      variables[anyDuplicated(variables)]
    ))
  }
}

# Names that sources show must differ from each other, also after "(proxy)".
check_shown_names <- function(given) {
  shown <- vapply(given, `[[`, "", "name")
  if (anyDuplicated(shown)) {
    synth_stop(sprintf(
      "Two sources are named '%s'. Rename one.", shown[anyDuplicated(shown)]
    ))
  }
  invisible(given)
}

has_frame <- function(source) !is.null(source$frame)

source_label <- function(source) sprintf("Source '%s'", source$name)

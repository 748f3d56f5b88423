# Columns of tasks as they cross to Python, which looks at what is in them.

# Names of columns by what they are for, as the calling function was given them: one of
# each, of `many` several; none where the signature has none.
task_roles <- function(names, many = character()) {
  env <- parent.frame()
  defaults <- formals(sys.function(sys.parent()))
  lapply(stats::setNames(nm = names), function(name) {
    written <- eval(call("substitute", as.name(name)), env)
    value <- some_names(unit_column(eval(as.name(name), env), written, name), name)
    several <- name %in% many
    if (is.null(value) && is.null(defaults[[name]])) {
      return(NULL)
    }
    if (!length(value) || length(value) > 1L && !several) {
      synth_stop(sprintf(
        "%s is %s. Give the name of one column%s.", name, describe_type(value),
        if (several) ", or several" else ""
      ), "OptionError")
    }
    value
  })
}

task_frame <- function(data, roles, keys) {
  rows <- if ("first" %in% names(roles)) {
    "per comparison"
  } else if ("value" %in% names(roles)) "per observation" else "per task"
  check_frame(data, "data", rows)
  frame_to_send(
    data, unlist(roles), "data", unlist(keys),
    as = function(x, name) if (inherits(x, "Date")) format(x) else x
  )
}

# The name of one task.
one_label <- function(value, name) {
  if (is.null(value) || !is.atomic(value) || length(value) != 1L || is.na(value)) {
    synth_stop(sprintf("%s must be the name of one task.", name), "OptionError")
  }
  id_to_send(check_column(value, name), name)
}

# Numbers by task, or in the order of the tasks.
task_values <- function(value, name) {
  if (!is.numeric(value) || is.object(value) || !is.null(dim(value))) {
    synth_stop(sprintf(
      "%s is %s. Give numbers, one for each historical task.", name, describe_type(value)
    ), "OptionError")
  }
  list(
    values = as.double(value), names = if (!is.null(names(value))) utf8(names(value), name)
  )
}

label_text <- function(labels) {
  if (is.numeric(labels)) format_labels(labels) else as.character(labels)
}

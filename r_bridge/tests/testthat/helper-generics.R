# Generics for which a package has a method of glm or lm, by what R registered.
generics_of_glm <- function(package) {
  table <- get(".__S3MethodsTable__.", asNamespace(package))
  declared <- parseNamespaceFile(package, dirname(system.file(package = package)))
  declared <- declared$S3methods
  found <- c(
    sub("[.](glm|lm)$", "", grep("[.](glm|lm)$", ls(table), value = TRUE)),
    declared[declared[, 2L] %in% c("glm", "lm"), 1L]
  )
  # Methods of classes such as profile.glm, and what only other generics call.
  sort(setdiff(sub("^.*::", "", unique(found)), c(
    "confint.profile", "vcov.summary", "nextBoot", "bootCase", "symbox"
  )))
}

# "refused" by name, "error", or "value".
answer_of <- function(package, name, fit, ...) {
  f <- get0(name, asNamespace(package), mode = "function")
  if (is.null(f)) {
    return("no function")
  }
  answer <- tryCatch(
    suppressWarnings(suppressMessages(f(fit, ...))), error = function(e) e
  )
  if (inherits(answer, "OptionError")) {
    "refused"
  } else if (inherits(answer, "error")) {
    paste("error:", conditionMessage(answer))
  } else {
    "value"
  }
}

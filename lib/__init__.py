"""The logic of the project, one package a subject; jobs wire it, schemas say what it stores."""
